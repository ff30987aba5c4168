// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of the kernel that are macros in C and have no helper in
 * rust/helpers/ of the kernel.
 *
 * Allocation functions belong here rather than in the bindings: what bindgen
 * sees of them is the *_noprof variant, which relies on its caller to name the
 * place that the allocation is accounted to (include/linux/alloc_tag.h). The
 * macro does that, and the place is the line below.
 */
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/taskstats_kern.h>

void __percpu *rust_taskstats_alloc_percpu(size_t size, size_t align);
void __percpu *rust_taskstats_alloc_percpu(size_t size, size_t align)
{
	return __alloc_percpu(size, align);
}

struct taskstats *rust_taskstats_alloc_stats(void);
struct taskstats *rust_taskstats_alloc_stats(void)
{
	return kmem_cache_zalloc(taskstats_cache, GFP_KERNEL);
}
