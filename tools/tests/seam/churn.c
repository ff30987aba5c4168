// SPDX-License-Identifier: GPL-2.0
/* Families of generic netlink that come and go, from kernel threads of their own. */

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <net/genetlink.h>

static bool register_own;
module_param(register_own, bool, 0);
MODULE_PARM_DESC(register_own, "register a family and unregister it again, over and over");

static unsigned int refused;
module_param(refused, uint, 0444);
MODULE_PARM_DESC(refused, "how often a name was found to be taken");

static unsigned int unregistered;
module_param(unregistered, uint, 0444);
MODULE_PARM_DESC(unregistered, "how often the family was unregistered");

static struct task_struct *registrar, *owner;

/* Registering takes cb_lock for writing even where it is refused. */
static int register_taken(void *unused)
{
	static struct genl_family taken = {
		.name = "nlctrl",
		.module = THIS_MODULE,
	};

	while (!kthread_should_stop()) {
		if (WARN_ON(genl_register_family(&taken) != -EEXIST))
			break;
		WRITE_ONCE(refused, refused + 1);
		usleep_range(100, 200);
	}
	return 0;
}

static int register_and_unregister(void *unused)
{
	static const struct genl_multicast_group groups[] = {
		{ .name = "group" },
	};
	static struct genl_family own = {
		.name = "churn",
		.netnsok = true,
		.mcgrps = groups,
		.n_mcgrps = ARRAY_SIZE(groups),
		.module = THIS_MODULE,
	};

	while (!kthread_should_stop()) {
		if (WARN_ON(genl_register_family(&own)) ||
		    WARN_ON(genl_unregister_family(&own)))
			break;
		WRITE_ONCE(unregistered, unregistered + 1);
		usleep_range(100, 200);
	}
	return 0;
}

/* With a reference, so that it can be stopped after it has returned. */
static struct task_struct *start(int (*run)(void *), const char *name)
{
	struct task_struct *task = kthread_create(run, NULL, "%s", name);

	if (!IS_ERR(task)) {
		get_task_struct(task);
		wake_up_process(task);
	}
	return task;
}

static int __init churn_init(void)
{
	registrar = start(register_taken, "registrar");
	if (IS_ERR(registrar))
		return PTR_ERR(registrar);
	if (!register_own)
		return 0;
	owner = start(register_and_unregister, "owner");
	if (IS_ERR(owner)) {
		kthread_stop_put(registrar);
		return PTR_ERR(owner);
	}
	return 0;
}
module_init(churn_init);

static void __exit churn_exit(void)
{
	if (owner)
		kthread_stop_put(owner);
	kthread_stop_put(registrar);
}
module_exit(churn_exit);

MODULE_DESCRIPTION("Families of generic netlink that come and go");
MODULE_LICENSE("GPL");
