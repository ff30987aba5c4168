// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot call because it is a macro or an inline function, and the
 * kernel has no helper for in rust/helpers/. As there, these functions are
 * inlined into Rust under CONFIG_RUST_INLINE_HELPERS.
 *
 * Allocation functions belong here rather than in the bindings: what bindgen
 * sees of them is the *_noprof variant, which relies on its caller to name the
 * place that the allocation is accounted to (include/linux/alloc_tag.h). The
 * macro does that, and the place is the line below.
 *
 * Sorted alphabetically.
 */

#include "../../include/bindings_helper.h"

__rust_helper void __percpu *rust_helper_alloc_percpu(size_t size, size_t align)
{
	return __alloc_percpu(size, align);
}

__rust_helper struct taskstats *rust_helper_alloc_taskstats(void)
{
	return kmem_cache_zalloc(taskstats_cache, GFP_KERNEL);
}

#ifdef CONFIG_CGROUPS
__rust_helper void rust_helper_cgroup_put(struct cgroup *cgrp)
{
	cgroup_put(cgrp);
}
#endif

#ifndef CONFIG_CGROUPS
__rust_helper int rust_helper_cgroupstats_build(struct cgroupstats *stats,
						struct dentry *dentry)
{
	return cgroupstats_build(stats, dentry);
}
#endif

__rust_helper int rust_helper_cond_resched(void)
{
	return cond_resched();
}

__rust_helper int rust_helper_cpu_to_node(int cpu)
{
	return cpu_to_node(cpu);
}

__rust_helper int rust_helper_cpulist_parse(const char *buf, struct cpumask *dstp)
{
	return cpulist_parse(buf, dstp);
}

__rust_helper bool rust_helper_cpumask_subset(const struct cpumask *src1p,
					      const struct cpumask *src2p)
{
	return cpumask_subset(src1p, src2p);
}

#ifndef CONFIG_USER_NS
__rust_helper gid_t rust_helper_from_kgid_munged(struct user_namespace *to,
						 kgid_t gid)
{
	return from_kgid_munged(to, gid);
}

__rust_helper uid_t rust_helper_from_kuid_munged(struct user_namespace *to,
						 kuid_t uid)
{
	return from_kuid_munged(to, uid);
}
#endif

__rust_helper const struct cred *rust_helper_get_current_cred(void)
{
	return get_current_cred();
}

__rust_helper unsigned long rust_helper_get_mm_hiwater_rss(struct mm_struct *mm)
{
	return get_mm_hiwater_rss(mm);
}

__rust_helper unsigned long rust_helper_get_mm_hiwater_vm(struct mm_struct *mm)
{
	return get_mm_hiwater_vm(mm);
}

#ifndef CONFIG_USER_NS
__rust_helper kuid_t rust_helper_make_kuid(struct user_namespace *from, uid_t uid)
{
	return make_kuid(from, uid);
}
#endif

__rust_helper const struct cred *rust_helper_override_creds(const struct cred *cred)
{
	return override_creds(cred);
}

__rust_helper void *rust_helper_per_cpu_ptr(void __percpu *ptr, unsigned int cpu)
{
	return per_cpu_ptr(ptr, cpu);
}

__rust_helper bool rust_helper_radix_tree_deref_retry(void *entry)
{
	return radix_tree_deref_retry(entry);
}

__rust_helper void *rust_helper_radix_tree_deref_slot(void __rcu **slot)
{
	return radix_tree_deref_slot(slot);
}

__rust_helper void __rcu **rust_helper_radix_tree_iter_init(struct radix_tree_iter *iter,
							    unsigned long start)
{
	return radix_tree_iter_init(iter, start);
}

__rust_helper void __rcu **rust_helper_radix_tree_iter_retry(struct radix_tree_iter *iter)
{
	return radix_tree_iter_retry(iter);
}

__rust_helper void __rcu **rust_helper_radix_tree_next_slot(void __rcu **slot,
							    struct radix_tree_iter *iter,
							    unsigned int flags)
{
	return radix_tree_next_slot(slot, iter, flags);
}

__rust_helper void *rust_helper_raw_cpu_ptr(void __percpu *ptr)
{
	return raw_cpu_ptr(ptr);
}

__rust_helper unsigned long rust_helper_raw_spin_lock_irqsave(raw_spinlock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	return flags;
}

__rust_helper void rust_helper_raw_spin_unlock_irqrestore(raw_spinlock_t *lock,
							  unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}

__rust_helper const struct cred *rust_helper_revert_creds(const struct cred *cred)
{
	return revert_creds(cred);
}

__rust_helper bool rust_helper_same_thread_group(struct task_struct *p1,
						 struct task_struct *p2)
{
	return same_thread_group(p1, p2);
}

__rust_helper void rust_helper_smp_rmb(void)
{
	smp_rmb();
}

#ifdef CONFIG_CGROUPS
__rust_helper struct cgroup *rust_helper_task_dfl_cgroup(struct task_struct *task)
{
	return task_dfl_cgroup(task);
}
#endif

#ifndef CONFIG_VIRT_CPU_ACCOUNTING_GEN
__rust_helper bool rust_helper_task_cputime(struct task_struct *t,
					    u64 *utime, u64 *stime)
{
	return task_cputime(t, utime, stime);
}
#endif

__rust_helper bool rust_helper_task_in_iowait(struct task_struct *task)
{
	return task->in_iowait;
}

#ifdef CONFIG_CGROUPS
__rust_helper bool rust_helper_task_under_cgroup_hierarchy(struct task_struct *task,
							   struct cgroup *ancestor)
{
	return task_under_cgroup_hierarchy(task, ancestor);
}
#endif

__rust_helper int rust_helper_thread_group_empty(struct task_struct *p)
{
	return thread_group_empty(p);
}

__rust_helper void rust_helper_unlock_task_sighand(struct task_struct *task,
						   unsigned long *flags)
{
	unlock_task_sighand(task, flags);
}
