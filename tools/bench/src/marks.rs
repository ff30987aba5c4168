// SPDX-License-Identifier: GPL-2.0

//! Marks in the stream of instructions, seen by the plugin of `make profile`: instructions that do
//! nothing, with a number in them that no compiler writes.

use std::arch::asm;

/// From here on.
#[inline]
pub(crate) fn begin() {
    // SAFETY: `nopl 0x74617301(%rax)`, which touches nothing.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, 0x01, 0x73, 0x61, 0x74",
            options(nomem, nostack, preserves_flags)
        )
    }
}

/// Up to here.
#[inline]
pub(crate) fn end() {
    // SAFETY: `nopl 0x74617302(%rax)`, which touches nothing.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, 0x02, 0x73, 0x61, 0x74",
            options(nomem, nostack, preserves_flags)
        )
    }
}
