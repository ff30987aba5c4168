// SPDX-License-Identifier: GPL-2.0
/* Faults of C code, one for each load, that cannot be made in Rust. */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static char *fault;
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "the name of a fault");

/*
 * In the second page: KASAN shows the shadow of 256 bytes before the bad address as
 * well, without asking whether there is one. In the first page of a region, whose
 * neighbour may have none, that is a page fault while it reports, and a panic.
 */
static int one_after_vmalloc(void)
{
	const size_t size = PAGE_SIZE + 100;
	char *memory = vmalloc(size);

	if (!memory)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(memory);
	WRITE_ONCE(memory[size], 1);
	vfree(memory);
	return 0;
}

static int one_after_stack(void)
{
	char memory[16] = {};
	char *after = memory + sizeof(memory);

	OPTIMIZER_HIDE_VAR(after);
	return READ_ONCE(*after) == 'x' ? -EAGAIN : 0;
}

static int undefined_behaviour(void)
{
	unsigned int count = 77;

	OPTIMIZER_HIDE_VAR(count);
	pr_info("shifted: %d\n", 1 << count);
	return 0;
}

static void nothing(struct work_struct *work)
{
}

static int free_active(void)
{
	struct delayed_work *work = kzalloc_obj(*work);

	if (!work)
		return -ENOMEM;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, 1000 * HZ);
	kfree(work);
	return 0;
}

/* What kmalloc() expands to, without the place that the memory is accounted to. */
static int unaccounted_allocation(void)
{
	void *memory = kmalloc_noprof(100, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	kfree(memory);
	return 0;
}

static int rcu_usage(void)
{
	static int __rcu *pointer;

	pr_info("dereferenced %p\n", rcu_dereference(pointer));
	return 0;
}

static int cpu_of_preemptible(void)
{
	pr_info("on CPU %d\n", smp_processor_id());
	return 0;
}

static int list(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	head.next = &head;
	list_del(&entry);
	return 0;
}

static int hang_up(void *seconds)
{
	schedule_timeout_uninterruptible((long)seconds * HZ);
	return 0;
}

/* As long as it takes the kernel to see it, which is up to twice its limit. */
static int hung_task(void)
{
	struct task_struct *task;

	task = kthread_create(hang_up, (void *)20L, "planted");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	wake_up_process(task);
	ssleep(15);
	kthread_stop_put(task);
	return 0;
}

static const struct {
	const char *name;
	int (*make)(void);
} faults[] = {
	{ "one_after_vmalloc", one_after_vmalloc },
	{ "one_after_stack", one_after_stack },
	{ "undefined_behaviour", undefined_behaviour },
	{ "free_active", free_active },
	{ "unaccounted_allocation", unaccounted_allocation },
	{ "rcu_usage", rcu_usage },
	{ "preemptible", cpu_of_preemptible },
	{ "list", list },
	{ "hung_task", hung_task },
};

static int __init planted_init(void)
{
	for (int i = 0; i < ARRAY_SIZE(faults); i++)
		if (fault && !strcmp(fault, faults[i].name))
			return faults[i].make();
	return -EINVAL;
}
module_init(planted_init);

static void __exit planted_exit(void)
{
}
module_exit(planted_exit);

MODULE_DESCRIPTION("Faults of C code");
MODULE_LICENSE("GPL");
