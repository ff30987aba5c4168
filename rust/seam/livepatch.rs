// SPDX-License-Identifier: GPL-2.0

//! The functions of C's taskstats, redirected by livepatch: no patch of ours in the kernel.
//!
//! C's family stays registered, and with it its id, its policies and all that generic netlink does
//! around a command. Livepatch redirects three functions, for one task after the other: the two
//! commands' and `taskstats_exit()`. As long as not every task is redirected, and again from when
//! the first is to go back, those who come through here are sent on to C's functions, so that C and
//! Rust change over at one moment as with the slot.
//!
//! Nothing of this depends on being told about the end. Another livepatch that replaces this one,
//! which calls nobody, redirects all to C's functions as well, and the module may go afterwards; a
//! transition that was forced keeps it for ever.
//!
//! C header: [`include/linux/livepatch.h`](srctree/include/linux/livepatch.h)

use super::ExitHook;
use crate::genetlink::{
    DoIt,
    Family, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    },
    task::CurrentTask,
    types::Opaque, //
};
use taskstats_bindings as bindings;

/// An implementation of taskstats that answers in the place of C's from when every task is
/// redirected until it is told that this ends, and no longer than this value lives.
///
/// # Invariants
///
/// C's functions have been redirected to `raw`. The operations of `family` are static, and its C
/// struct has C's id and is not registered.
#[pin_data(PinnedDrop)]
pub(crate) struct Provider<T: ExitHook> {
    // The order matters: fields are initialized in it.
    #[pin]
    family: Family<T>,
    /// Whether what comes through here is answered here, not by C's functions.
    ///
    /// Whoever registers here has seen this set, and so does every task that begins to exit after
    /// that. A request that one of the two is answering while this changes counts as one from
    /// before. No lock orders them: this changes under livepatch's mutex, which loading a module
    /// takes, and there are families that load modules under generic netlink's.
    answers: Atomic<bool>,
    #[pin]
    raw: Opaque<bindings::taskstats_redirection>,
}

// SAFETY: The C struct is not changed after C's functions were redirected to it, and `Family<T>` is
// `Send`.
unsafe impl<T: ExitHook> Send for Provider<T> {}

// SAFETY: As above, and `Family<T>` is `Sync`.
unsafe impl<T: ExitHook> Sync for Provider<T> {}

impl<T: ExitHook> Provider<T> {
    /// Redirects C's functions. From then on, requests and exiting tasks come; so a module does
    /// this last. Livepatch finishes it later, and lets go of the module only after it has sent
    /// everybody back.
    ///
    /// [`ENOEXEC`] if this is not the kernel that the module was built for, [`EOPNOTSUPP`] if C's
    /// functions cannot be called while they are redirected, or what livepatch says.
    pub(crate) fn attach(family: impl PinInit<Family<T>, Error>) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            _: { check_kernel()? },
            family <- family,
            answers: Atomic::new(false),
            // INVARIANT: Redirected here, or the value does not come into being.
            raw <- Opaque::try_ffi_init(move |raw: *mut bindings::taskstats_redirection| {
                // SAFETY: `this` is being initialized, and `family` has been.
                let family = unsafe { &(*this.as_ptr()).family };
                let redirection = bindings::taskstats_redirection {
                    exit: Some(Self::exit),
                    query: Some(Self::command::<{ bindings::TASKSTATS_CMD_GET }>),
                    cgroup: Some(Self::command::<{ bindings::CGROUPSTATS_CMD_GET }>),
                    complete: Some(Self::complete),
                    ending: Some(Self::ending),
                };

                // SAFETY: `raw` is memory for a redirection.
                unsafe { raw.write(redirection) };
                // SAFETY: `raw` is pinned and lives until the redirection has ended; so does the
                // family, which is not registered. What is called through them uses nothing but
                // `family` and `answers`, which have been initialized.
                to_result(unsafe { bindings::taskstats_redirect(raw, family.as_raw()) })
            }),
        })
    }

    /// Returns the provider that contains `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be the field of a `Provider<T>` that C's functions are redirected to during `'a`.
    #[inline]
    unsafe fn from_raw<'a>(raw: *const bindings::taskstats_redirection) -> &'a Self {
        // CAST: `Opaque` is a transparent wrapper.
        let raw = raw.cast::<Opaque<bindings::taskstats_redirection>>();
        // SAFETY: By the safety requirements, `raw` is the field of a provider that lives:
        // livepatch keeps the module until nobody runs what C's functions are redirected to. All
        // fields that are used were initialized before they were redirected.
        unsafe { &*kernel::container_of!(raw, Self, raw) }
    }

    /// # Safety
    ///
    /// To be called in the place of `taskstats_exit()` alone, with its arguments and the `raw` of a
    /// `Provider<T>`.
    unsafe extern "C" fn exit(
        raw: *const bindings::taskstats_redirection,
        task: *mut bindings::task_struct,
        group_dead: c_int,
    ) {
        // SAFETY: By the safety requirements.
        let this = unsafe { Self::from_raw(raw) };

        if !this.answers.load(Acquire) {
            // SAFETY: By the safety requirements, these are the arguments that C was called with.
            return unsafe { bindings::taskstats_exit_original(task, group_dead) };
        }
        // SAFETY: By the safety requirements, this is the current task, which is valid while it
        // runs this. CAST: `CurrentTask` is a transparent wrapper.
        let task = unsafe { &*task.cast::<CurrentTask>() };
        T::exit(&this.family, task, group_dead != 0);
    }

    /// Answers a request to command `CMD`.
    ///
    /// # Safety
    ///
    /// To be called in the place of the function of `CMD` in C's family alone, with its arguments
    /// and the `raw` of a `Provider<T>`.
    unsafe extern "C" fn command<const CMD: c_uint>(
        raw: *const bindings::taskstats_redirection,
        skb: *mut bindings::sk_buff,
        info: *mut bindings::genl_info,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let this = unsafe { Self::from_raw(raw) };

        if !this.answers.load(Acquire) {
            // SAFETY: By the safety requirements, these are the arguments that C was called with.
            return unsafe { (const { original(CMD) })(skb, info) };
        }
        // SAFETY: The core passes a valid `info`, which nobody changes meanwhile.
        let mut info = unsafe { info.read() };
        info.family = this.family.as_raw();
        // SAFETY: The message and what the core knows of the request are those of a request to
        // `CMD`, parsed by a policy of C's that has as many attributes as Rust's (the tests compare
        // them); the family is a `Family<T>` that lives.
        unsafe { (const { Self::doit(CMD) })(skb, &mut info) }
    }

    /// Returns the function that answers a request to a command.
    const fn doit(cmd: c_uint) -> DoIt {
        let mut i = 0;
        while i < T::OPS.len() {
            // CAST: A byte into a wider type.
            if T::OPS[i].cmd() as c_uint == cmd {
                if let Some(doit) = T::OPS[i].doit() {
                    return doit;
                }
            }
            i += 1;
        }
        panic!("a command of C's is not answered")
    }

    /// # Safety
    ///
    /// To be called by livepatch alone, when every task is redirected, with the `raw` of a
    /// `Provider<T>`.
    unsafe extern "C" fn complete(raw: *const bindings::taskstats_redirection) {
        // SAFETY: By the safety requirements.
        let this = unsafe { Self::from_raw(raw) };
        this.answers.store(true, Release);
        T::hears(&this.family, true);
        // SAFETY: There are no requirements.
        unsafe { bindings::taskstats_log_attached() };
    }

    /// # Safety
    ///
    /// To be called by livepatch alone, before tasks are sent back to C's functions, with the `raw`
    /// of a `Provider<T>`.
    unsafe extern "C" fn ending(raw: *const bindings::taskstats_redirection) {
        // SAFETY: By the safety requirements.
        let this = unsafe { Self::from_raw(raw) };
        this.answers.store(false, Release);
        T::hears(&this.family, false);
        // SAFETY: There are no requirements.
        unsafe { bindings::taskstats_log_detached() };
    }
}

#[pinned_drop]
impl<T: ExitHook> PinnedDrop for Provider<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants, C's functions were redirected to this provider, with this
        // family. They are not any more: the module is going, and livepatch has let go of it.
        unsafe { bindings::taskstats_redirect_end(self.family.as_raw()) };
    }
}

/// Returns the function of a command in C's family.
const fn original(cmd: c_uint) -> DoIt {
    match cmd {
        bindings::TASKSTATS_CMD_GET => bindings::taskstats_user_cmd_original,
        bindings::CGROUPSTATS_CMD_GET => bindings::cgroupstats_user_cmd_original,
        _ => panic!("C's family has no such command"),
    }
}

/// Checks, before anything is changed, whether this is the kernel that the module was built for,
/// and says what is wrong otherwise.
fn check_kernel() -> Result {
    // SAFETY: There are no requirements.
    if !unsafe { bindings::taskstats_built_for_this_kernel() } {
        pr_err!("this module was built for another version of this kernel (see uname -v)\n");
        return Err(ENOEXEC);
    }
    // SAFETY: There are no requirements.
    if !unsafe { bindings::taskstats_layouts_are_known() } {
        pr_err!("this module was built for other layouts (see /sys/kernel/btf/vmlinux)\n");
        return Err(ENOEXEC);
    }
    // SAFETY: There are no requirements.
    if !unsafe { bindings::taskstats_originals_are_callable() } {
        pr_err!("the functions of C's taskstats do not begin with the call of a tracer\n");
        return Err(EOPNOTSUPP);
    }
    Ok(())
}
