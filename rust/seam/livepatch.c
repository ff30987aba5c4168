// SPDX-License-Identifier: GPL-2.0
/*
 * C's taskstats, redirected by livepatch.
 *
 * What is used here and not exported by the kernel is listed in
 * livepatch.symvers, and resolved by livepatch when the module is loaded.
 * Everything that is decided is decided in livepatch.rs.
 */

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/ftrace.h>
#include <linux/hex.h>
#include <linux/list.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/taskstats_kern.h>
#include <linux/utsname.h>
#include <linux/xarray.h>
#include <crypto/sha2.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "livepatch.h"

MODULE_INFO(livepatch, "Y");

/* Of kernel/taskstats.c. */
struct listener_list {
	struct rw_semaphore sem;
	struct list_head list;
};

DECLARE_PER_CPU(struct listener_list, listener_array);
extern struct genl_family family;
int taskstats_user_cmd(struct sk_buff *skb, struct genl_info *info);
int cgroupstats_user_cmd(struct sk_buff *skb, struct genl_info *info);

/*
 * A function behind the call of its tracer, where livepatch redirects it. The
 * jump is a direct one, so that it needs no landing pad.
 */
#define ORIGINAL(function)						\
	asm(".pushsection .text, \"ax\"\n"				\
	    ".globl " #function "_original\n"				\
	    ".type " #function "_original, @function\n"			\
	    ".balign 16\n"						\
	    #function "_original:\n"					\
	    ANNOTATE_NOENDBR						\
	    "	jmp " #function " + " __stringify(TRACER_END) "\n"	\
	    ".size " #function "_original, . - " #function "_original\n" \
	    ".popsection")

#define TRACER_END	(ENDBR_INSN_SIZE + MCOUNT_INSN_SIZE)

ORIGINAL(taskstats_exit);
ORIGINAL(taskstats_user_cmd);
ORIGINAL(cgroupstats_user_cmd);

static bool has_tracer_at_begin(void *function)
{
	unsigned long begin = (unsigned long)function;

	return ftrace_location(begin) == begin + ENDBR_INSN_SIZE;
}

/* Whether ORIGINAL() is right about where the tracer is called. */
bool taskstats_originals_are_callable(void)
{
	return has_tracer_at_begin(taskstats_exit) &&
	       has_tracer_at_begin(taskstats_user_cmd) &&
	       has_tracer_at_begin(cgroupstats_user_cmd);
}

/* Whether this is the very kernel: another may have the same release. */
bool taskstats_built_for_this_kernel(void)
{
#ifdef TASKSTATS_KERNEL_VERSION
	return strstr(init_uts_ns.name.version, TASKSTATS_KERNEL_VERSION);
#else
	return true;
#endif
}

/* What types the kernel has and how they are laid out: /sys/kernel/btf/vmlinux. */
extern const char __start_BTF[], __stop_BTF[];

/* Whether types are laid out as they were when this was built. */
bool taskstats_layouts_are_known(void)
{
	u8 digest[SHA256_DIGEST_SIZE];
	char text[2 * SHA256_DIGEST_SIZE];

	sha256(__start_BTF, __stop_BTF - __start_BTF, digest);
	bin2hex(text, digest, sizeof(digest));
	return !memcmp(text, TASKSTATS_BTF_SHA256, sizeof(text));
}

static const struct taskstats_redirection *target;

/*
 * Livepatch looks for these functions on the stacks of tasks to know when nobody
 * runs anything of this module any more, so no call in them may be a tail call.
 */
static void redirected_exit(struct task_struct *tsk, int group_dead)
{
	target->exit(target, tsk, group_dead);
	barrier();
}

static int redirected_query(struct sk_buff *skb, struct genl_info *info)
{
	int err = target->query(target, skb, info);

	OPTIMIZER_HIDE_VAR(err);
	return err;
}

static int redirected_cgroup(struct sk_buff *skb, struct genl_info *info)
{
	int err = target->cgroup(target, skb, info);

	OPTIMIZER_HIDE_VAR(err);
	return err;
}

static void complete_redirection(struct klp_object *object)
{
	target->complete(target);
}

static void end_redirection(struct klp_object *object)
{
	target->ending(target);
}

static struct klp_func functions[] = {
	{ .old_name = "taskstats_exit", .new_func = redirected_exit },
	{ .old_name = "taskstats_user_cmd", .new_func = redirected_query },
	{ .old_name = "cgroupstats_user_cmd", .new_func = redirected_cgroup },
	{ }
};

static struct klp_object objects[] = {
	{
		.funcs = functions,
		.callbacks = {
			.post_patch = complete_redirection,
			.pre_unpatch = end_redirection,
		},
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

/*
 * What the family keeps for sockets. The core frees that for registered families
 * when a socket is closed; this family is not registered.
 */
static DEFINE_XARRAY(privates);
static DEFINE_MUTEX(privates_mutex);
static const struct genl_family *privates_family;

static void free_private(unsigned long sk)
{
	void *private = xa_erase(&privates, sk);

	privates_family->sock_priv_destroy(private);
	kfree(private);
}

static int netlink_event(struct notifier_block *block, unsigned long event,
			 void *data)
{
	struct netlink_notify *notify = data;
	unsigned long sk;
	void *private;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC ||
	    xa_empty(&privates))
		return NOTIFY_DONE;

	/*
	 * Which socket is being closed is not told. Each that has something here
	 * is still there: it does not go before its own call of this function,
	 * which waits for the mutex.
	 */
	guard(mutex)(&privates_mutex);
	xa_for_each(&privates, sk, private) {
		if (sock_flag((struct sock *)sk, SOCK_DEAD))
			free_private(sk);
	}
	return NOTIFY_DONE;
}

static struct notifier_block netlink_events = { .notifier_call = netlink_event };

/*
 * Redirects C's functions to @to, and gives @new, which is not registered, what
 * it needs to answer in the place of C's family. Both must stay valid until
 * taskstats_redirect_end() has returned. Returns before the last task is
 * redirected: see struct taskstats_redirection.
 */
int taskstats_redirect(const struct taskstats_redirection *to,
		       struct genl_family *new)
{
	int err;

	new->id = family.id;
	new->sock_privs = &privates;
	privates_family = new;
	target = to;

	err = netlink_register_notifier(&netlink_events);
	if (err)
		return err;

	err = klp_enable_patch(&patch);
	if (err)
		netlink_unregister_notifier(&netlink_events);
	return err;
}

/* Frees what is left. Livepatch has let go of the module: nobody comes any more. */
void taskstats_redirect_end(struct genl_family *new)
{
	unsigned long sk;
	void *private;

	netlink_unregister_notifier(&netlink_events);
	xa_for_each(&privates, sk, private)
		free_private(sk);
	xa_destroy(&privates);
}

/*
 * Says that C does not answer any more, as the slot does, and how many of its
 * registrations get nothing meanwhile.
 */
void taskstats_log_attached(void)
{
	size_t suspended = 0;
	int cpu;

	pr_info("taskstats: provider %s attached\n", THIS_MODULE->name);
	for_each_possible_cpu(cpu) {
		struct listener_list *listeners = per_cpu_ptr(&listener_array, cpu);

		guard(rwsem_read)(&listeners->sem);
		suspended += list_count_nodes(&listeners->list);
	}
	if (suspended)
		pr_info("taskstats: %zu registrations suspended until it detaches\n",
			suspended);
}

void taskstats_log_detached(void)
{
	pr_info("taskstats: provider %s detached\n", THIS_MODULE->name);
}
