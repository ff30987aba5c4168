// SPDX-License-Identifier: GPL-2.0

//! Multicast groups.
//!
//! As in `rust/kernel/net/netlink.rs`, and with who may join.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use kernel::{
    prelude::*, //
};
use taskstats_bindings as bindings;

/// Who may join a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// Anybody.
    Any,
    /// Tasks with `CAP_NET_ADMIN` in the user namespace of the network namespace.
    NetAdmin,
    /// Tasks with `CAP_SYS_ADMIN` in the user namespace of the network namespace.
    SysAdmin,
}

/// A multicast group of a family.
#[repr(transparent)]
pub(crate) struct MulticastGroup {
    // Never changed, hence no `Opaque`.
    group: bindings::genl_multicast_group,
}

impl MulticastGroup {
    /// Returns a group. To be used when compiling: panics if the name is too long.
    #[inline]
    pub(crate) const fn const_new(name: &CStr, membership: Membership) -> Self {
        let mut group: bindings::genl_multicast_group = pin_init::zeroed();
        let name = name.to_bytes_with_nul();
        let mut i = 0;

        assert!(name.len() <= group.name.len());
        while i < name.len() {
            // CAST: `c_char` is a byte.
            group.name[i] = name[i] as c_char;
            i += 1;
        }
        // `GENL_MCAST_CAP_NET_ADMIN` and `GENL_MCAST_CAP_SYS_ADMIN`, which bindgen does not see.
        group.flags = match membership {
            Membership::Any => 0,
            Membership::NetAdmin => 1 << 0,
            Membership::SysAdmin => 1 << 1,
        };
        Self { group }
    }
}
