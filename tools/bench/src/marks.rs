// SPDX-License-Identifier: GPL-2.0

//! Marks for QEMU's plugin `exec-count`: two addresses, at which there is nothing but a return.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

/// The same as in `exec-count`.
const BEGIN: usize = 0x7461_7000;
const END: usize = BEGIN + 0x10;
const SIZE: usize = 0x1000;
/// `ret`.
const RETURN: u8 = 0xc3;

/// The two marks, in memory.
pub(crate) struct Marks(());

impl Marks {
    /// Puts them where the plugin looks for them.
    pub(crate) fn new() -> Result<Self> {
        let address = NonZeroUsize::new(BEGIN).context("no address")?;
        let size = NonZeroUsize::new(SIZE).context("no size")?;
        // SAFETY: Nothing that is mapped already is replaced.
        let page = unsafe {
            mmap_anonymous(
                Some(address),
                size,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE,
            )
        }
        .context("mapping the marks")?;
        // SAFETY: The page was mapped for this, and can be written.
        unsafe { page.as_ptr().cast::<u8>().write_bytes(RETURN, SIZE) };
        // SAFETY: It is our page, and nothing refers to it.
        unsafe { mprotect(page, SIZE, ProtFlags::PROT_READ | ProtFlags::PROT_EXEC) }?;
        Ok(Self(()))
    }

    /// From here on.
    pub(crate) fn begin(&self) {
        call(BEGIN);
    }

    /// Up to here.
    pub(crate) fn end(&self) {
        call(END);
    }
}

fn call(address: usize) {
    // SAFETY: There is a function that only returns, as `Marks` exists.
    let mark: extern "C" fn() = unsafe { std::mem::transmute(address) };
    mark();
}
