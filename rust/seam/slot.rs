// SPDX-License-Identifier: GPL-2.0

//! The kernel's slot for an implementation of taskstats in a module.
//!
//! C header: `include/linux/taskstats_kern.h`, with `patches/` applied.

use super::ExitHook;
use crate::genetlink::Family;
use kernel::{
    error::to_result,
    prelude::*,
    task::CurrentTask,
    types::Opaque, //
};
use taskstats_bindings as bindings;

/// An implementation of taskstats that answers in the place of C's, as long as this value lives.
///
/// # Invariants
///
/// `raw` is attached; it points to the C struct of `family`.
#[pin_data(PinnedDrop)]
pub(crate) struct Provider<T: ExitHook> {
    // The order matters: fields are initialized in it.
    #[pin]
    family: Family<T>,
    #[pin]
    raw: Opaque<bindings::taskstats_provider>,
}

// SAFETY: The C struct is not changed after it was attached, and `Family<T>` is `Send`.
unsafe impl<T: ExitHook> Send for Provider<T> {}

// SAFETY: The C struct is not changed after it was attached, and `Family<T>` is `Sync`.
unsafe impl<T: ExitHook> Sync for Provider<T> {}

impl<T: ExitHook> Provider<T> {
    /// Attaches. From then on, requests and exiting tasks come; so a module does this last.
    ///
    /// [`EBUSY`] if there is a provider already, [`ENODEV`] if C's taskstats did not come up, or
    /// what registering the family says. Mirrors `taskstats_attach()`.
    pub(crate) fn attach(family: impl PinInit<Family<T>, Error>) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            family <- family,
            // INVARIANT: Attached here, or the value does not come into being.
            raw <- Opaque::try_ffi_init(move |raw: *mut bindings::taskstats_provider| {
                // SAFETY: `this` is being initialized, and `family` has been.
                let family = unsafe { &(*this.as_ptr()).family };
                let provider = bindings::taskstats_provider {
                    family: family.as_raw(),
                    exit: Some(Self::exit),
                };

                // SAFETY: `raw` is memory for a provider.
                unsafe { raw.write(provider) };
                // SAFETY: `raw` is pinned and lives until it is detached when it is dropped; so
                // does the family, which is ready to be registered. Its operations and the exit
                // hook use nothing but the family, which has been initialized.
                to_result(unsafe { bindings::taskstats_attach(raw) })?;
                T::hears(family, true);
                Result::<_, Error>::Ok(())
            }),
        })
    }

    /// # Safety
    ///
    /// To be called by the kernel alone, with the `raw` of a `Provider<T>` that is attached and the
    /// current task.
    unsafe extern "C" fn exit(
        raw: *const bindings::taskstats_provider,
        task: *mut bindings::task_struct,
        group_dead: c_int,
    ) {
        // CAST: `Opaque` is a transparent wrapper.
        let raw = raw.cast::<Opaque<bindings::taskstats_provider>>();
        // SAFETY: By the safety requirements, `raw` is the field of a provider that lives: it is
        // not dropped before it is detached, which waits for this call to return.
        let family = unsafe { &(*kernel::container_of!(raw, Self, raw)).family };
        // SAFETY: By the safety requirements, this is the current task, which is valid while it
        // runs this. CAST: `CurrentTask` is a transparent wrapper.
        let task = unsafe { &*task.cast::<CurrentTask>() };

        T::exit(family, task, group_dead != 0);
    }
}

#[pinned_drop]
impl<T: ExitHook> PinnedDrop for Provider<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants, this provider is attached. When the call returns, nothing
        // that came through it runs any more.
        unsafe { bindings::taskstats_detach(self.raw.get()) };
    }
}
