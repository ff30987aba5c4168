// SPDX-License-Identifier: GPL-2.0

//! A generic netlink family and the data that its commands work on.

use super::{
    group::MulticastGroup,
    operation::Operation, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};
use taskstats_bindings as bindings;

/// What a family answers.
pub(crate) trait Operations: Send + Sync + Sized + 'static {
    /// The family's name, NUL-terminated.
    const NAME: &'static [u8];

    /// The family's version, which is in the header of each message that it sends.
    const VERSION: u32;

    /// The first command whose requests have their headers checked strictly.
    const RESV_START_OP: u8;

    /// The family's commands.
    const OPS: &'static [Operation<Self>];

    /// The family's multicast groups.
    const GROUPS: &'static [MulticastGroup] = &[];

    /// What the family keeps for a socket from when a request of it asks for it
    /// ([`Request::socket_private`](super::Request::socket_private)) until the socket is closed, or
    /// the family goes. Dropping it may sleep. `()` if it keeps nothing.
    type SocketPrivate: Default + Send + Sync;

    /// Called before a socket of any network namespace becomes a member of a group, which is an
    /// index into [`Operations::GROUPS`]; also of one that is a member already.
    fn joined(_group: usize) {}
}

/// A generic netlink family with the data that its commands work on.
///
/// It is usable from every network namespace, has no header of its own, and its commands run side
/// by side, without generic netlink's lock: what they work on is [`Sync`], each sees a request of
/// its own, and what is kept for a socket may be seen by several at once.
///
/// A static one ([`Family::const_new`]) is registered by [`Family::register`]. One that is part of
/// another value ([`Family::new`]) has no dumps, which may go on for a while after the family has
/// gone, and whoever registers it must take it down again before it is dropped.
///
/// # Invariants
///
/// `raw` is a `genl_family` that is ready to be registered, whose operations are those of `T`.
#[pin_data]
pub(crate) struct Family<T: Operations> {
    #[pin]
    raw: Opaque<bindings::genl_family>,
    data: T,
}

// SAFETY: The C struct may be used from any thread, and `T` is `Send`.
unsafe impl<T: Operations> Send for Family<T> {}

// SAFETY: The C struct is changed by the generic netlink core alone, under its locks; `T` is
// `Sync`.
unsafe impl<T: Operations> Sync for Family<T> {}

impl<T: Operations> Family<T> {
    /// Returns a family of `module` around `data`, to be put into a static variable.
    pub(crate) const fn const_new(module: &'static ThisModule, data: T) -> Self {
        // INVARIANT: The name is NUL-terminated, checked when compiling, and `OPS` and the policies
        // it points to are static.
        Self {
            raw: Opaque::new(Self::raw(module.as_ptr())),
            data,
        }
    }

    /// Returns an initializer of a family of `module` around `data`.
    pub(crate) fn new(
        module: &'static ThisModule,
        data: impl Init<T, Error>,
    ) -> impl PinInit<Self, Error> {
        const {
            let mut i = 0;
            while i < T::OPS.len() {
                assert!(!T::OPS[i].dumps(), "only a static family may have dumps");
                i += 1;
            }
        }
        let module = module.as_ptr();

        try_pin_init!(Self {
            data <- data,
            // INVARIANT: As in `const_new()`.
            raw: Opaque::new(Self::raw(module)),
        })
    }

    #[inline]
    const fn raw(module: *mut bindings::module) -> bindings::genl_family {
        bindings::genl_family {
            module,
            ..const { Self::constant() }
        }
    }

    const fn constant() -> bindings::genl_family {
        let mut family: bindings::genl_family = pin_init::zeroed();
        let mut i = 0;

        assert!(CStr::from_bytes_with_nul(T::NAME).is_ok());
        assert!(T::NAME.len() <= family.name.len());
        while i < T::NAME.len() {
            // CAST: `c_char` is a byte.
            family.name[i] = T::NAME[i] as c_char;
            i += 1;
        }
        family.version = T::VERSION;
        family.resv_start_op = T::RESV_START_OP;
        family._bitfield_1 = flags();
        // CAST: `Operation` is a transparent wrapper of `genl_ops`.
        family.ops = T::OPS.as_ptr().cast();
        assert!(T::OPS.len() <= u8::MAX as usize);
        // CAST: Checked above.
        family.n_ops = T::OPS.len() as u8;
        // CAST: `MulticastGroup` is a transparent wrapper of `genl_multicast_group`.
        family.mcgrps = T::GROUPS.as_ptr().cast();
        assert!(T::GROUPS.len() <= u8::MAX as usize);
        // CAST: Checked above.
        family.n_mcgrps = T::GROUPS.len() as u8;
        if !T::GROUPS.is_empty() {
            family.bind = Some(Self::bind);
        }

        if size_of::<T::SocketPrivate>() != 0 {
            // The core allocates it with `kzalloc()`.
            assert!(align_of::<T::SocketPrivate>() <= bindings::ARCH_KMALLOC_MINALIGN);
            family.sock_priv_size = size_of::<T::SocketPrivate>();
            family.sock_priv_init = Some(Self::socket_private_init);
            family.sock_priv_destroy = Some(Self::socket_private_destroy);
        }
        family
    }

    /// # Safety
    ///
    /// To be called by the generic netlink core alone, as the `bind` of a `Family<T>`.
    unsafe extern "C" fn bind(group: c_int) -> c_int {
        // CAST: The core numbers groups from 0.
        T::joined(group as usize);
        0
    }

    /// # Safety
    ///
    /// To be called by the generic netlink core alone, as the `sock_priv_init` of a `Family<T>`.
    unsafe extern "C" fn socket_private_init(private: *mut c_void) {
        // SAFETY: The core passes memory of `sock_priv_size` bytes, aligned as checked above.
        unsafe { private.cast::<T::SocketPrivate>().write(Default::default()) };
    }

    /// # Safety
    ///
    /// To be called by the generic netlink core alone, as the `sock_priv_destroy` of a `Family<T>`.
    unsafe extern "C" fn socket_private_destroy(private: *mut c_void) {
        // SAFETY: The core passes what `socket_private_init()` initialized, and has let go of it.
        unsafe { core::ptr::drop_in_place(private.cast::<T::SocketPrivate>()) };
    }

    /// Returns the C struct.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::genl_family {
        self.raw.get()
    }

    /// Returns the family that contains `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be the C struct of a `Family<T>` that lives during `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(raw: *const bindings::genl_family) -> &'a Self {
        // CAST: `Opaque` is a transparent wrapper.
        let raw = raw.cast::<Opaque<bindings::genl_family>>();
        // SAFETY: By the safety requirements, `raw` is the field of a `Family<T>` that lives.
        unsafe { &*kernel::container_of!(raw, Self, raw) }
    }

    /// Returns the data that the commands work on.
    #[inline]
    pub(crate) fn data(&self) -> &T {
        &self.data
    }
}

/// Returns the bit field of a `genl_family` with `netnsok` and `parallel_ops`, as in
/// `rust/kernel/net/netlink.rs`: the setters of bindings cannot be called when compiling. A KUnit
/// test compares it with theirs.
pub(super) const fn flags() -> bindings::__BindgenBitfieldUnit<[u8; 1]> {
    let bits = u8::from_le(1 << 0 | 1 << 1);
    // SAFETY: The bit field is a byte.
    unsafe { core::mem::transmute::<u8, bindings::__BindgenBitfieldUnit<[u8; 1]>>(bits) }
}

/// Returns whether [`flags()`] are what the setters of bindings make.
#[cfg(test_build)]
pub(crate) fn flags_are_as_bindgen_sets_them() -> bool {
    let mut family = bindings::genl_family::default();
    family.set_netnsok(1);
    family.set_parallel_ops(1);
    let flags = bindings::genl_family {
        _bitfield_1: flags(),
        ..Default::default()
    };
    // SAFETY: The bit field is a byte.
    let byte = |family: &bindings::genl_family| unsafe {
        core::ptr::from_ref(&family._bitfield_1).cast::<u8>().read()
    };
    byte(&family) == byte(&flags)
}

/// The registration of a family, which ends when this is dropped.
///
/// # Invariants
///
/// The family is registered.
pub(crate) struct Registration<T: Operations> {
    family: &'static Family<T>,
}

impl<T: Operations> Family<T> {
    /// Registers the family. From then on, requests come. Mirrors `genl_register_family()`.
    ///
    /// [`EEXIST`] if there is a family of that name.
    pub(crate) fn register(&'static self) -> Result<Registration<T>> {
        // SAFETY: By the type invariants, the family is ready to be registered. It is static, so it
        // outlives the registration and all dumps: while one goes on, the module stays.
        kernel::error::to_result(unsafe { bindings::genl_register_family(self.as_raw()) })?;
        // INVARIANT: Registered above.
        Ok(Registration { family: self })
    }
}

impl<T: Operations> Family<T> {
    /// Returns whether a group of the family has members in the initial network namespace. Mirrors
    /// `genl_has_listeners()`.
    ///
    /// `group` is an index into [`Operations::GROUPS`]; there are no members of groups that do not
    /// exist.
    #[inline]
    pub(crate) fn has_listeners(&self, group: usize) -> bool {
        if group >= T::GROUPS.len() {
            return false;
        }
        // SAFETY: The family is valid, and has this group. The initial network namespace lives for
        // ever. CAST: There are at most 255 groups.
        unsafe {
            bindings::genl_has_listeners(
                self.as_raw(),
                &raw mut bindings::init_net,
                group as c_uint,
            )
        }
    }
}

impl<T: Operations> Registration<T> {
    /// Returns the family.
    #[inline]
    pub(crate) fn family(&self) -> &'static Family<T> {
        self.family
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the family is registered.
        unsafe { bindings::genl_unregister_family(self.family.as_raw()) };
    }
}
