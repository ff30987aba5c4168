// SPDX-License-Identifier: GPL-2.0

//! Sets of CPUs as user space names them.
//!
//! C header: [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h)

use kernel::{
    alloc::AllocError,
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    cpumask::{
        Cpumask,
        CpumaskVar, //
    },
    error::to_result,
    prelude::*, //
};
use taskstats_bindings as bindings;

fn possible_mask() -> &'static Cpumask {
    // SAFETY: The mask of possible CPUs lives for ever and does not change after boot.
    unsafe { Cpumask::from_raw(&raw const bindings::__cpu_possible_mask) }
}

/// Returns whether `cpu` is possible.
#[inline]
pub(crate) fn is_possible(cpu: CpuId) -> bool {
    possible_mask().test(cpu)
}

/// Returns the possible CPUs. Mirrors `for_each_possible_cpu()`.
pub(crate) fn possible_cpus() -> impl Iterator<Item = CpuId> {
    cpus(possible_mask())
}

/// Returns the CPUs of `mask`. Mirrors `for_each_cpu()`.
fn cpus(mask: &Cpumask) -> impl DoubleEndedIterator<Item = CpuId> + '_ {
    (0..nr_cpu_ids())
        .filter_map(CpuId::from_u32)
        .filter(|cpu| mask.test(*cpu))
}

/// A set of possible CPUs.
///
/// # Invariants
///
/// All CPUs of the mask are possible ones.
pub(crate) struct CpuSet(CpumaskVar);

impl CpuSet {
    /// The maximum length of a list in bytes, more than the longest sensible one has.
    ///
    /// Mirrors `TASKSTATS_CPUMASK_MAXLEN`.
    // CAST: `usize` is at least 32 bits wide.
    const MAX_LEN: usize = 100 + 6 * bindings::NR_CPUS as usize;

    /// Parses a list such as `0-2,5`, which may end in a newline or a NUL. Mirrors `parse()` of
    /// `kernel/taskstats.c`, and the check of `add_del_listener()`.
    ///
    /// [`E2BIG`] for a list that is too long, [`EINVAL`] for an empty one and for one that has a
    /// CPU which is not possible, [`ENOMEM`], or what the kernel's parser (`bitmap_parselist()`)
    /// says.
    ///
    /// The errno comes with a message.
    pub(crate) fn parse(list: &[u8]) -> Result<Self, (Error, &'static CStr)> {
        if list.len() > Self::MAX_LEN {
            return Err((E2BIG, c"the list of CPUs is too long"));
        }
        if list.is_empty() {
            return Err((EINVAL, c"the list of CPUs is empty"));
        }

        let no_memory = |_: AllocError| (ENOMEM, c"out of memory");
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL).map_err(no_memory)?;
        if list.ends_with(&[0]) {
            parse(list, &mut mask)
        } else {
            let mut string = KVec::with_capacity(list.len() + 1, GFP_KERNEL).map_err(no_memory)?;
            string
                .extend_from_slice(list, GFP_KERNEL)
                .map_err(no_memory)?;
            string.push(0, GFP_KERNEL).map_err(no_memory)?;
            parse(&string, &mut mask)
        }
        .map_err(|errno| (errno, c"not a list of CPUs, such as 0-2,5"))?;

        // SAFETY: Both are valid CPU masks.
        if !unsafe { bindings::cpumask_subset(mask.as_raw(), possible_mask().as_raw()) } {
            return Err((EINVAL, c"the list has a CPU that this machine cannot have"));
        }
        // INVARIANT: Checked above.
        Ok(Self(mask))
    }

    /// Returns the CPUs of the set, in ascending order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = CpuId> + '_ {
        cpus(&self.0)
    }
}

/// Adds the CPUs of `list` to `mask`: of what is before the first NUL. [`EINVAL`] if the last byte
/// is none. Mirrors `cpulist_parse()`.
fn parse(list: &[u8], mask: &mut Cpumask) -> Result {
    if list.last() != Some(&0) {
        return Err(EINVAL);
    }
    // SAFETY: The string is terminated, as checked above, and `mask` is valid and borrowed by this
    // function alone. CAST: `c_char` is a byte.
    to_result(unsafe { bindings::cpulist_parse(list.as_ptr().cast(), mask.as_raw()) })
}
