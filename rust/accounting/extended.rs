// SPDX-License-Identifier: GPL-2.0

//! Extended accounting: memory over time, and I/O.
//!
//! C source: [`kernel/tsacct.c`](srctree/kernel/tsacct.c), `xacct_add_tsk()`

use super::layout::Stats;
use crate::abstractions::{
    mm::Memory,
    task::TaskView, //
};
use kernel::page::PAGE_SIZE;

const KB: u64 = 1024;

/// Fills in the fields from `coremem` to `cancelled_write_bytes`. The record must be zeroed;
/// `memory` is the task's own, if it has any. Mirrors `xacct_add_tsk()`.
pub(crate) fn fill(stats: &mut Stats, task: TaskView<'_>, memory: Option<&Memory>) {
    let (rss, vm) = task.memory_integrals();
    stats.coremem = megabyte_usecs(rss);
    stats.virtmem = megabyte_usecs(vm);

    let io = task.io();
    stats.read_char = whole_kilobytes(io.read_char);
    stats.write_char = whole_kilobytes(io.write_char);
    stats.read_syscalls = whole_kilobytes(io.read_syscalls);
    stats.write_syscalls = whole_kilobytes(io.write_syscalls);
    stats.read_bytes = whole_kilobytes(io.read_bytes);
    stats.write_bytes = whole_kilobytes(io.write_bytes);
    stats.cancelled_write_bytes = whole_kilobytes(io.cancelled_write_bytes);

    if let Some(memory) = memory {
        stats.hiwater_rss = kilobytes(memory.high_water_rss_pages);
        stats.hiwater_vm = kilobytes(memory.high_water_vm_pages);
    }
}

/// Returns what the kernel integrates, pages times nanoseconds by 1024, in megabytes times
/// microseconds. It is multiplied first and wraps, as in C.
pub(crate) const fn megabyte_usecs(page_nsecs: u64) -> u64 {
    // CAST: A page's size fits.
    page_nsecs.wrapping_mul(PAGE_SIZE as u64) / (1000 * KB)
}

/// Returns what the kernel integrates, pages times nanoseconds by 1024, in kibibyte-microseconds.
pub(crate) const fn kibibyte_usecs(page_nsecs: u64) -> u64 {
    const NSEC_PER_USEC: u64 = 1000;
    // CAST: A page's size fits.
    const SIZE: u64 = PAGE_SIZE as u64;
    let (whole, rest) = (page_nsecs / NSEC_PER_USEC, page_nsecs % NSEC_PER_USEC);

    // In two parts, so that only what is too large as a result is too large.
    whole
        .wrapping_mul(SIZE)
        .wrapping_add(rest.wrapping_mul(SIZE) / NSEC_PER_USEC)
}

/// Returns pages in kilobytes. It is multiplied first and wraps, as in C.
pub(crate) const fn kilobytes(pages: u64) -> u64 {
    // CAST: A page's size fits.
    pages.wrapping_mul(PAGE_SIZE as u64) / KB
}

/// Returns `count` without what is less than 1024. C does so to bytes and to system calls.
pub(crate) const fn whole_kilobytes(count: u64) -> u64 {
    count & !(KB - 1)
}
