// SPDX-License-Identifier: GPL-2.0

//! Memory near a CPU.

use kernel::{
    alloc::{
        allocator::Kmalloc,
        AllocError,
        Allocator,
        Flags,
        NumaNode, //
    },
    cpu::CpuId,
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::{
    alloc::Layout,
    mem::MaybeUninit, //
};

/// Allocates a box, to be written to, in memory of the node that `cpu` belongs to. Mirrors
/// `kmalloc_node()` with `cpu_to_node()`.
pub(crate) fn box_near<T>(cpu: CpuId, flags: Flags) -> Result<KBox<MaybeUninit<T>>, AllocError> {
    const { assert!(size_of::<T>() != 0) };

    // SAFETY: By its type invariants, the id is one of a CPU.
    let node = unsafe { bindings::cpu_to_node(cpu.into()) };
    let node = NumaNode::new(node).unwrap_or(NumaNode::NO_NODE);
    let ptr = Kmalloc::alloc(Layout::new::<T>(), flags, node)?.cast::<MaybeUninit<T>>();

    // SAFETY: The allocation is of the layout of `T`, ours, and comes from `Kmalloc`, which is the
    // allocator of a `KBox`.
    Ok(unsafe { KBox::from_raw(ptr.as_ptr()) })
}
