// SPDX-License-Identifier: GPL-2.0
//! Debian's own kernel: its image and modules to boot, and a tree that modules in Rust can be built
//! against, although Debian's headers have nothing for Rust.
//!
//! The tree is the source of the same version with the configuration and the symbols of the headers
//! laid over, and what `modules_prepare` makes of it.

use std::{fs, os::unix, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{Built, Cache, Project, image::Plan, make::Kbuild, package, run, source::Tested};

/// Where the packages are unpacked, in the build directory.
const PACKAGES: &str = "packages";

/// What makes the tree, from the source and the headers.
pub(super) const PREPARE_TREE: &str = "packaging/dkms/prepare-tree";

/// The image, in the build directory.
pub(super) fn image(tested: &Tested) -> String {
    format!("{PACKAGES}/usr/lib/modules/{}/vmlinuz", tested.release)
}

/// Fetches the packages and makes the tree. What is done is not done again.
pub(super) fn prepare(cache: &Cache, plan: &Plan, built: &Built) -> Result<()> {
    ensure!(
        plan.source.is_tested,
        "Debian's kernel is not built from {}",
        plan.source.origin
    );
    let tested = Tested::read()?;
    let packages = built.build.join(PACKAGES);
    fs::create_dir_all(&built.build)?;
    fetch(cache, &tested, &packages)?;
    configure(cache, plan, built, &tested, &packages)
}

/// Unpacks what belongs to all flavours, the image, its modules and its headers.
fn fetch(cache: &Cache, tested: &Tested, packages: &Path) -> Result<()> {
    if packages.is_dir() {
        return Ok(());
    }
    let scratch = cache.scratch()?;
    for part in ["base", "binary", "modules", "headers"] {
        let name = format!("linux-{part}-{}", tested.release);
        package::unpack(cache, &name, &tested.version, scratch.path())?;
    }
    // As on a machine that they are installed on.
    unix::fs::symlink("usr/lib", scratch.path().join("lib"))?;
    let root = scratch.path().display().to_string();
    let depmod = run::program("depmod", &["-b", &root, &tested.release]);
    let log = cache.log("depmod");
    run::logged("listing the modules", &depmod, &log, |_| None)?;
    fs::rename(scratch.path(), packages).context("cannot keep Debian's packages")?;
    // There is nothing left to remove.
    let _ = scratch.keep();
    Ok(())
}

/// Makes the tree that modules are built against, as the package for DKMS does.
fn configure(
    cache: &Cache,
    plan: &Plan,
    built: &Built,
    tested: &Tested,
    packages: &Path,
) -> Result<()> {
    if built.build.join("Module.symvers").is_file() {
        return Ok(());
    }
    let headers = packages.join(format!("usr/src/linux-headers-{}", tested.release));
    let script = Project::find()?.top().join(PREPARE_TREE);
    let arguments = [&built.source, &headers, &built.build].map(|path| path.display().to_string());
    let prepare = Kbuild::for_module(false).program(&script.display().to_string(), &arguments, &[]);
    let log = cache.log(&format!("{}-prepare", plan.name));
    run::logged("preparing it for modules", &prepare, &log, run::last_line)
}
