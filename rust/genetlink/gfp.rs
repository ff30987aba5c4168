// SPDX-License-Identifier: GPL-2.0

//! Allocation flags for functions of C that take them.

use kernel::{
    alloc::{
        flags,
        Flags, //
    }, //
};
use taskstats_bindings as bindings;

/// Returns the bits of `flags`. In the kernel crate, this is `Flags::as_raw()`.
///
/// All flags that can be combined are known here, and for constant arguments the compiler does
/// this.
#[inline(always)]
pub(super) fn raw_flags(flags: Flags) -> bindings::gfp_t {
    const KNOWN: [(Flags, bindings::gfp_t); 6] = [
        (flags::GFP_KERNEL, bindings::GFP_KERNEL),
        (flags::GFP_ATOMIC, bindings::GFP_ATOMIC),
        (flags::GFP_NOWAIT, bindings::GFP_NOWAIT),
        (flags::GFP_KERNEL_ACCOUNT, bindings::GFP_KERNEL_ACCOUNT),
        (flags::__GFP_ZERO, bindings::__GFP_ZERO),
        (flags::__GFP_NOWARN, bindings::__GFP_NOWARN),
    ];
    let mut raw = 0;
    for (known, bits) in KNOWN {
        if flags.contains(known) {
            raw |= bits;
        }
    }
    raw
}
