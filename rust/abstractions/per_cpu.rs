// SPDX-License-Identifier: GPL-2.0

//! Per-CPU variables that are allocated.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use super::cpumask::{
    is_possible,
    possible_cpus, //
};
use kernel::{
    alloc::AllocError,
    cpu::CpuId,
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A value for each possible CPU.
///
/// Any CPU may get at the value of any other at any time, hence `T` is to be [`Sync`].
///
/// # Invariants
///
/// `ptr` is an allocation of the per-CPU allocator that holds an initialized `T` for each possible
/// CPU, which are pinned.
pub(crate) struct PerCpu<T: Sync> {
    ptr: NonNull<c_void>,
    _values: PhantomData<T>,
}

// SAFETY: The values belong to this one, and `T` is `Send`.
unsafe impl<T: Send + Sync> Send for PerCpu<T> {}

// SAFETY: Only shared references to the values are given out, and `T` is `Sync`.
unsafe impl<T: Sync> Sync for PerCpu<T> {}

impl<T: Sync> PerCpu<T> {
    /// Allocates the values and initializes each with what `init` returns.
    pub(crate) fn new<I: PinInit<T>>(init: impl Fn() -> I) -> Result<Self, AllocError> {
        const { assert!(size_of::<T>() != 0) };

        // SAFETY: The size is not zero, and alignments are powers of two.
        let ptr = unsafe { bindings::alloc_percpu(size_of::<T>(), align_of::<T>()) };
        let ptr = NonNull::new(ptr).ok_or(AllocError)?;

        for cpu in possible_cpus() {
            // SAFETY: The CPU is a possible one.
            let slot = unsafe { Self::slot(ptr, cpu) };
            // SAFETY: `slot` is memory for a `T` that nobody else has, and it stays where it is
            // until it is dropped.
            unsafe { pin_init::raw_init(slot, init()) };
        }
        // INVARIANT: All values have been initialized.
        Ok(Self {
            ptr,
            _values: PhantomData,
        })
    }

    /// # Safety
    ///
    /// `ptr` must be a per-CPU allocation for a `T`, and `cpu` a possible CPU.
    #[inline]
    unsafe fn slot(ptr: NonNull<c_void>, cpu: CpuId) -> *mut T {
        // SAFETY: By the safety requirements of this function.
        unsafe { bindings::per_cpu_ptr(ptr.as_ptr(), cpu.into()) }.cast()
    }

    /// Returns the value of `cpu`, or `None` if it is not a possible one. Mirrors `per_cpu_ptr()`.
    #[inline]
    pub(crate) fn get(&self, cpu: CpuId) -> Option<Pin<&T>> {
        if !is_possible(cpu) {
            return None;
        }
        // SAFETY: By the type invariants, `ptr` is the allocation; the CPU is a possible one.
        let value = unsafe { &*Self::slot(self.ptr, cpu) };
        // SAFETY: By the type invariants, the values are pinned.
        Some(unsafe { Pin::new_unchecked(value) })
    }

    /// Returns the value of the CPU that this runs on, from which it may be moved away at any time.
    /// Mirrors `raw_cpu_ptr()`.
    #[inline]
    pub(crate) fn this_cpu(&self) -> Pin<&T> {
        // SAFETY: By the type invariants, `ptr` is a per-CPU allocation for a `T`.
        let ptr = unsafe { bindings::raw_cpu_ptr(self.ptr.as_ptr()) };
        // SAFETY: A CPU that runs this is a possible one, so its value is initialized by the type
        // invariants.
        let value = unsafe { &*ptr.cast::<T>() };
        // SAFETY: By the type invariants, the values are pinned.
        unsafe { Pin::new_unchecked(value) }
    }
}

impl<T: Sync> Drop for PerCpu<T> {
    fn drop(&mut self) {
        for cpu in possible_cpus() {
            // SAFETY: By the type invariants, this is an initialized value, and nobody has a
            // reference to it any more.
            unsafe { core::ptr::drop_in_place(Self::slot(self.ptr, cpu)) };
        }
        // SAFETY: By the type invariants, `ptr` comes from the per-CPU allocator.
        unsafe { bindings::free_percpu(self.ptr.as_ptr()) };
    }
}
