// SPDX-License-Identifier: GPL-2.0

//! A place in a static variable for what is allocated when the module is loaded.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        rcu,
        Arc, //
    }, //
};

use core::mem::ManuallyDrop;

/// A place for a value that is there from when it is put until its [`Occupied`] is dropped.
///
/// # Invariants
///
/// The pointer is null, or comes from [`Arc::into_raw`], and the reference that it stands for is
/// given up only after a grace period in which it was null.
pub(crate) struct Place<T: 'static>(Atomic<*const T>);

// SAFETY: References to the value are handed out to and dropped by any thread, which `Arc` may be
// if `T` is both.
unsafe impl<T: Send + Sync> Sync for Place<T> {}

// SAFETY: As above.
unsafe impl<T: Send + Sync> Send for Place<T> {}

impl<T: Send + Sync> Place<T> {
    /// Returns an empty place.
    pub(crate) const fn empty() -> Self {
        // INVARIANT: Null.
        Self(Atomic::new(core::ptr::null()))
    }

    /// Returns a reference to the value, if there is one.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        let _rcu = rcu::read_lock();
        let value = self.0.load(Acquire);
        if value.is_null() {
            return None;
        }
        // SAFETY: By the type invariants, this is the pointer of an `Arc`, whose reference is not
        // given up while the RCU read lock is held. It stays the place's.
        let value = ManuallyDrop::new(unsafe { Arc::from_raw(value) });
        Some(Arc::clone(&value))
    }

    /// Puts a value there, which stays until what is returned is dropped. [`EBUSY`] if there is
    /// one.
    pub(crate) fn put(&'static self, value: Arc<T>) -> Result<Occupied<T>> {
        let value = value.into_raw();
        // INVARIANT: The pointer of an `Arc`, whose reference is the place's now.
        match self.0.cmpxchg(core::ptr::null(), value, Full) {
            Ok(_) => Ok(Occupied(self)),
            Err(_) => {
                // SAFETY: It was made above, and nobody else has it.
                drop(unsafe { Arc::from_raw(value) });
                Err(EBUSY)
            }
        }
    }
}

/// A place that has a value. Dropping it empties the place, and waits until nobody is about to take
/// a reference.
///
/// # Invariants
///
/// The place has a value, and this is the only one for it.
pub(crate) struct Occupied<T: Send + Sync + 'static>(&'static Place<T>);

impl<T: Send + Sync> Drop for Occupied<T> {
    fn drop(&mut self) {
        let value = self.0 .0.load(Acquire);
        self.0 .0.store(core::ptr::null(), Release);
        rcu::synchronize_rcu();
        // SAFETY: By the type invariants, this is the pointer of the `Arc` that was put, and its
        // reference is given up once. A grace period has passed since the pointer was there.
        drop(unsafe { Arc::from_raw(value) });
    }
}
