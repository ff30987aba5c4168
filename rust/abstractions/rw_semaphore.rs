// SPDX-License-Identifier: GPL-2.0

//! A reader/writer semaphore with the data that it protects.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)

use kernel::{
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};
use taskstats_bindings as bindings;

use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
};

/// Creates an initializer for an [`RwSemaphore`] with a lock class of its own.
macro_rules! new_rw_semaphore {
    ($data:expr, $name:expr $(,)?) => {
        $crate::abstractions::rw_semaphore::RwSemaphore::new(
            $data,
            $name,
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_rw_semaphore;

/// A reader/writer semaphore with the data that it protects. Taking it may sleep.
///
/// # Invariants
///
/// `sem` is an initialized `rw_semaphore`.
#[pin_data]
pub(crate) struct RwSemaphore<T> {
    #[pin]
    sem: Opaque<bindings::rw_semaphore>,
    data: UnsafeCell<T>,
}

// SAFETY: The semaphore may be used from any thread, and `T` is `Send`.
unsafe impl<T: Send> Send for RwSemaphore<T> {}

// SAFETY: Readers on several threads have shared references to `T`, which is `Sync`; writers have
// exclusive access, from any thread, and `T` is `Send`.
unsafe impl<T: Send + Sync> Sync for RwSemaphore<T> {}

impl<T> RwSemaphore<T> {
    /// Creates an initializer; see [`new_rw_semaphore!`].
    pub(crate) fn new(
        data: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            data: UnsafeCell::new(data),
            // INVARIANT: Initialized here.
            // SAFETY: `sem` is memory for a semaphore that stays where it is; name and key are
            // static.
            sem <- Opaque::ffi_init(|sem| unsafe {
                bindings::__init_rwsem(sem, name.as_char_ptr(), key.as_ptr())
            }),
        })
    }

    /// Takes the semaphore for reading. Mirrors `down_read()`.
    #[inline]
    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: By the type invariants, the semaphore is initialized.
        unsafe { bindings::down_read(self.sem.get()) };
        // INVARIANT: Taken above.
        ReadGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the semaphore for writing. Mirrors `down_write()`.
    #[inline]
    pub(crate) fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: By the type invariants, the semaphore is initialized.
        unsafe { bindings::down_write(self.sem.get()) };
        // INVARIANT: Taken above.
        WriteGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// Access to read the data. The semaphore is released when this is dropped.
///
/// # Invariants
///
/// The semaphore of `lock` is held for reading.
#[must_use = "the semaphore is released immediately when the guard is unused"]
pub(crate) struct ReadGuard<'a, T> {
    lock: &'a RwSemaphore<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, there is no writer.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the semaphore is held for reading.
        unsafe { bindings::up_read(self.lock.sem.get()) };
    }
}

/// Access to change the data. The semaphore is released when this is dropped.
///
/// # Invariants
///
/// The semaphore of `lock` is held for writing.
#[must_use = "the semaphore is released immediately when the guard is unused"]
pub(crate) struct WriteGuard<'a, T> {
    lock: &'a RwSemaphore<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, nobody else has access.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants, nobody else has access.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the semaphore is held for writing.
        unsafe { bindings::up_write(self.lock.sem.get()) };
    }
}
