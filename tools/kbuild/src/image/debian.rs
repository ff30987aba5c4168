// SPDX-License-Identifier: GPL-2.0
//! Debian's own kernel: its image and modules to boot, and a tree that modules in Rust can be built
//! against, although Debian's headers have nothing for Rust.
//!
//! The tree is the source of the same version with the configuration and the symbols of the headers
//! laid over, and what `modules_prepare` makes of it. The compilers are those that Debian built the
//! kernel with, so Rust's names come out the same, and so do all layouts.

use std::{fs, os::unix, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{
    Built, Cache, config::Options, image::Plan, make::Kbuild, package, run, source::Tested,
};

/// Where the packages are unpacked, in the build directory.
const PACKAGES: &str = "packages";

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

/// Makes the tree that modules are built against.
fn configure(
    cache: &Cache,
    plan: &Plan,
    built: &Built,
    tested: &Tested,
    packages: &Path,
) -> Result<()> {
    let symbols = built.build.join("Module.symvers");
    if symbols.is_file() {
        return Ok(());
    }
    let headers = packages.join(format!("usr/src/linux-headers-{}", tested.release));
    let config = built.build.join(".config");
    fs::copy(headers.join(".config"), &config)?;
    let version = plan.source.version.to_string();
    let local_version = tested
        .release
        .strip_prefix(&version)
        .with_context(|| format!("{} is no release of Linux {version}", tested.release))?;
    let kbuild = Kbuild::for_debians(local_version);
    let output = format!("O={}", built.build.display());
    for (title, goal) in [
        ("configuring it as Debian does", "olddefconfig"),
        ("preparing it for modules", "modules_prepare"),
    ] {
        let make = kbuild.make(&built.source, &[output.clone(), goal.into()]);
        let log = cache.log(&format!("{}-{goal}", plan.name));
        run::logged(title, &make, &log, run::last_line)?;
    }
    // Whatever were another with these compilers could be laid out otherwise than in the image.
    let theirs = Options::read(&headers.join(".config"))?;
    let changed = theirs.missing_from(&Options::read(&config)?);
    ensure!(
        changed.is_empty(),
        "the compilers are others than Debian's {} was built with:\n{}",
        tested.release,
        changed.join("\n")
    );
    let release = fs::read_to_string(built.build.join("include/config/kernel.release"))?;
    ensure!(
        release.trim() == tested.release,
        "the tree is {}, Debian's kernel {}",
        release.trim(),
        tested.release
    );
    // Last: with it, the tree is complete.
    fs::copy(headers.join("Module.symvers"), symbols)?;
    Ok(())
}
