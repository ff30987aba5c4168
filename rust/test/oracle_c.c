// SPDX-License-Identifier: GPL-2.0
/*
 * What C makes of a task, for the test build of rust_taskstats to compare with
 * (oracle.rs), and how many records it has compared.
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/taskstats_kern.h>

static atomic_long_t records = ATOMIC_LONG_INIT(0);
static atomic_long_t differences = ATOMIC_LONG_INIT(0);

static int get_count(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(kp->arg));
}

static const struct kernel_param_ops count_ops = { .get = get_count };

module_param_cb(records, &count_ops, &records, 0444);
MODULE_PARM_DESC(records, "records that were compared");
module_param_cb(differences, &count_ops, &differences, 0444);
MODULE_PARM_DESC(differences, "fields that differed");

void taskstats_oracle_fill(struct user_namespace *user_ns,
			   struct pid_namespace *pid_ns,
			   struct task_struct *tsk, struct taskstats *stats);
void taskstats_oracle_fill(struct user_namespace *user_ns,
			   struct pid_namespace *pid_ns,
			   struct task_struct *tsk, struct taskstats *stats)
{
	fill_stats(user_ns, pid_ns, tsk, stats);
}
EXPORT_SYMBOL_FOR_MODULES(taskstats_oracle_fill, "rust_taskstats");

void taskstats_oracle_add(struct taskstats *stats, struct task_struct *tsk,
			  u64 now_ns);
void taskstats_oracle_add(struct taskstats *stats, struct task_struct *tsk,
			  u64 now_ns)
{
	tgid_stats_add_task(stats, tsk, now_ns);
}
EXPORT_SYMBOL_FOR_MODULES(taskstats_oracle_add, "rust_taskstats");

void taskstats_oracle_count(unsigned int n);
void taskstats_oracle_count(unsigned int n)
{
	atomic_long_inc(&records);
	atomic_long_add(n, &differences);
}
EXPORT_SYMBOL_FOR_MODULES(taskstats_oracle_count, "rust_taskstats");

MODULE_DESCRIPTION("C's taskstats, for rust_taskstats to compare with");
MODULE_LICENSE("GPL");
