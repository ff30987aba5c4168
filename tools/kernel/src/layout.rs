// SPDX-License-Identifier: GPL-2.0
//! Where a built kernel and its parts are.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{Cache, Config, Project, image::Plan, toolchain::vng};

/// A built kernel, and everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Built {
    /// The bootable image (`bzImage`).
    pub image: PathBuf,
    /// The build directory: what `KDIR=` of a module build takes.
    pub build: PathBuf,
    /// The patched source.
    pub source: PathBuf,
    /// The module of this work tree (`rust_taskstats.ko`). The file exists once `kernel module` has
    /// built it.
    pub module: PathBuf,
    /// The same as it is tested. The file exists once `kernel module --test-build` has built it.
    pub test_module: PathBuf,
    /// The directory of the kernel's own, unmodified accounting tools: `getdelays`, `procacct`,
    /// `delaytop`.
    pub accounting: PathBuf,
    /// The program `vng` of virtme-ng.
    pub vng: PathBuf,
}

/// Finds the built kernel of this work tree: its patches, its configuration, this machine's
/// compilers.
///
/// Builds, installs and fetches nothing. An error says what to run where something is not there.
pub fn built(config: Config) -> Result<Built> {
    let cache = Cache::open()?;
    let project = Project::find()?;
    let plan = Plan::of_what_is_there(&cache, &project, config)?;
    let built = plan.built(&cache, &project);
    if !plan.is_complete(&built) {
        bail!(
            "the kernel `{config}` is not built with these patches, options and compilers: \
             run `{}` first",
            config.make_command()
        );
    }
    if !vng::is_installed(&cache) {
        bail!(
            "virtme-ng is not installed: run `{}` first",
            config.make_command()
        );
    }
    Ok(built)
}
