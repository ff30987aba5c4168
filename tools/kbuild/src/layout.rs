// SPDX-License-Identifier: GPL-2.0
//! Where a built kernel and its parts are.

use std::path::PathBuf;

/// A built kernel, and everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Built {
    /// The bootable image (`bzImage`).
    pub image: PathBuf,
    /// The build directory: what `KDIR=` of a module build takes.
    pub build: PathBuf,
    /// The patched source.
    pub source: PathBuf,
    /// The module of this work tree (`rust_taskstats.ko`). The file exists once `kbuild module` has
    /// built it.
    pub module: PathBuf,
    /// The same as it is tested. The file exists once `kbuild module --test-build` has built it.
    pub test_module: PathBuf,
    /// The directory of the kernel's own, unmodified accounting tools: `getdelays`, `procacct`,
    /// `delaytop`.
    pub accounting: PathBuf,
}
