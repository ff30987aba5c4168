// SPDX-License-Identifier: GPL-2.0

//! Being told of control groups of version 2 that are removed.
//!
//! C header: [`include/linux/cgroup.h`](srctree/include/linux/cgroup.h),
//! `cgroup_lifetime_notifier`

use super::cgroup;
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};
use taskstats_bindings as bindings;

/// Who is told.
pub(crate) trait RemovalObserver: Send + Sync {
    /// The group with the id `id` is being removed: no process has been in it since before that.
    fn removed(&self, id: u64);
}

/// Has an observer told, as long as this value lives.
///
/// # Invariants
///
/// `block` is registered.
#[pin_data(PinnedDrop)]
pub(crate) struct Removals<T: RemovalObserver> {
    // The order matters: fields are initialized in it.
    observer: Arc<T>,
    #[pin]
    block: Opaque<bindings::notifier_block>,
}

// SAFETY: The C struct is changed by the notifier chain alone, under its lock.
unsafe impl<T: RemovalObserver> Send for Removals<T> {}

// SAFETY: As above.
unsafe impl<T: RemovalObserver> Sync for Removals<T> {}

impl<T: RemovalObserver> Removals<T> {
    /// Has `observer` told from now on.
    pub(crate) fn observe(observer: Arc<T>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            observer,
            // INVARIANT: Registered here, or the value does not come into being.
            block <- Opaque::try_ffi_init(|raw: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: Some(Self::call),
                    next: core::ptr::null_mut(),
                    priority: 0,
                };
                // SAFETY: `raw` is memory for a block.
                unsafe { raw.write(block) };
                // SAFETY: `raw` is pinned and lives until it is unregistered when it is dropped.
                // The observer, which is all that is used through it, has been initialized.
                to_result(unsafe {
                    bindings::blocking_notifier_chain_register(
                        &raw mut bindings::cgroup_lifetime_notifier,
                        raw,
                    )
                })
            }),
        })
    }

    /// # Safety
    ///
    /// To be called by the chain alone, with the `block` of a `Removals<T>` and a group that is
    /// valid.
    unsafe extern "C" fn call(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        group: *mut c_void,
    ) -> c_int {
        let group = group.cast::<bindings::cgroup>();
        // CAST: A small constant.
        let is_removed =
            event == bindings::cgroup_lifetime_events_CGROUP_LIFETIME_OFFLINE as c_ulong;
        // SAFETY: By the safety requirements.
        if is_removed && unsafe { cgroup::is_v2(group) } {
            // CAST: `Opaque` is a transparent wrapper.
            let block = block.cast::<Opaque<bindings::notifier_block>>();
            // SAFETY: By the safety requirements, it is the field of a value that lives: it is
            // unregistered when that is dropped, which waits for this call to return.
            let observer = unsafe { &(*kernel::container_of!(block, Self, block)).observer };
            // SAFETY: By the safety requirements.
            observer.removed(unsafe { cgroup::id(group) });
        }
        // CAST: A small constant.
        bindings::NOTIFY_DONE as c_int
    }
}

#[pinned_drop]
impl<T: RemovalObserver> PinnedDrop for Removals<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants, the block is registered. When the call returns, nobody is
        // being told any more.
        unsafe {
            bindings::blocking_notifier_chain_unregister(
                &raw mut bindings::cgroup_lifetime_notifier,
                self.block.get(),
            )
        };
    }
}
