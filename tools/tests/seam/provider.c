// SPDX-License-Identifier: GPL-2.0
/* A provider of taskstats that does nothing but what a test of the slot needs. */

#include <linux/module.h>
#include <linux/taskstats_kern.h>
#include <net/genetlink.h>

static bool refused;
module_param(refused, bool, 0);
MODULE_PARM_DESC(refused, "bring a family that generic netlink refuses");

static unsigned int dumps_done;
module_param(dumps_done, uint, 0444);
MODULE_PARM_DESC(dumps_done, "how many dumps are over");

/* More than fit into the parts of a dump that are made before anybody reads. */
#define ITEMS	20000

static int dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	void *header;

	for (; cb->args[0] < ITEMS; cb->args[0]++) {
		header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				     cb->nlh->nlmsg_seq, info->family,
				     NLM_F_MULTI, TASKSTATS_CMD_NEW);
		if (!header)
			break;
		if (nla_put_u32(skb, TASKSTATS_TYPE_PID, cb->args[0])) {
			genlmsg_cancel(skb, header);
			break;
		}
		genlmsg_end(skb, header);
	}
	return skb->len;
}

static int dump_done(struct netlink_callback *cb)
{
	WRITE_ONCE(dumps_done, dumps_done + 1);
	return 0;
}

/* As many as there can be, for a check that takes long and fails at the end. */
static struct genl_ops ops[U8_MAX];

static struct genl_family family = {
	.name = TASKSTATS_GENL_NAME,
	.version = TASKSTATS_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.resv_start_op = CGROUPSTATS_CMD_GET + 1,
	.ops = ops,
	.n_ops = 1,
};

static void provider_exit(const struct taskstats_provider *provider,
			  struct task_struct *task, int group_dead)
{
}

static const struct taskstats_provider provider = {
	.family = &family,
	.exit = provider_exit,
};

static DEFINE_MUTEX(attached_mutex);
static bool attached;

static int attached_set(const char *value, const struct kernel_param *parameter)
{
	bool wanted;
	int err;

	err = kstrtobool(value, &wanted);
	if (err)
		return err;

	guard(mutex)(&attached_mutex);
	if (wanted && !attached)
		err = taskstats_attach(&provider);
	if (!wanted && attached)
		taskstats_detach(&provider);
	if (!err)
		attached = wanted;
	return err;
}

static const struct kernel_param_ops attached_ops = {
	.set = attached_set,
	.get = param_get_bool,
};

module_param_cb(attached, &attached_ops, &attached, 0600);
MODULE_PARM_DESC(attached, "whether this provider is attached");

static int __init provider_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i].cmd = i + TASKSTATS_CMD_GET;
		ops[i].dumpit = dump;
		ops[i].done = dump_done;
	}
	if (refused) {
		/* The last pair that is compared. */
		ops[U8_MAX - 1].cmd = ops[U8_MAX - 2].cmd;
		family.n_ops = U8_MAX;
	}

	err = taskstats_attach(&provider);
	if (!err)
		attached = true;
	return err;
}
module_init(provider_init);

static void __exit provider_exit_module(void)
{
	if (attached)
		taskstats_detach(&provider);
}
module_exit(provider_exit_module);

MODULE_DESCRIPTION("A provider of taskstats to test the slot with");
MODULE_LICENSE("GPL");
