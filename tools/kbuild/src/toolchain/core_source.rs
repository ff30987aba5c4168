// SPDX-License-Identifier: GPL-2.0
//! The source of the core library of exactly the installed rustc: the kernel builds `core` itself.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use semver::Version;

use super::rustc::Rustc;
use crate::{Cache, apt, progress};

/// Debian's packages: the release's own, and that of the newer rustc which Debian 12 has for its
/// browsers.
const PACKAGES: [&str; 2] = ["rust-src", "rust-web-src"];

/// Finds it: beside rustc, or in the cache.
pub(crate) fn find(cache: &Cache, rustc: &Rustc) -> Option<PathBuf> {
    let beside = rustc.sysroot.join("lib/rustlib/src/rust/library");
    [beside, ours(cache, rustc)]
        .into_iter()
        .find(|library| library.join("core/src/lib.rs").is_file())
}

/// Gets it: from rustup where rustup manages this rustc, else from Debian's package of the same
/// version.
pub(crate) fn install(cache: &Cache, rustc: &Rustc) -> Result<()> {
    let mut tried = Vec::new();
    if rustc.is_rustups() {
        match rustc.add_component(cache, "rust-src") {
            Ok(()) if find(cache, rustc).is_some() => return Ok(()),
            Ok(()) => tried.push("`rustup component add rust-src` did not bring it".to_owned()),
            Err(error) => {
                progress::say(
                    "rustup does not bring the core library's source: looking for Debian's package",
                );
                tried.push(format!("`rustup component add rust-src`: {error:#}"));
            }
        }
    }
    match from_debian(cache, rustc) {
        Ok(()) => return Ok(()),
        Err(error) => tried.push(format!("Debian's package rust-src: {error:#}")),
    }
    bail!(
        "the kernel needs the source of the core library of exactly the installed rustc, \
         {version}. Tried:\n- {tried}\n\
         Ways out: `rustup component add rust-src` with a network, or rustc and rust-src both from \
         Debian (`apt-get install rustc rust-src`), or the directory `library` of rust's own \
         source {version} as {path}",
        version = rustc.version,
        tried = tried.join("\n- "),
        path = ours(cache, rustc).display(),
    );
}

fn from_debian(cache: &Cache, rustc: &Rustc) -> Result<()> {
    if !apt::is_debian() {
        bail!("this is no Debian");
    }
    let package = apt::find(cache, &PACKAGES, |version| {
        same_release(version, &rustc.version)
    })?
    .with_context(|| {
        format!(
            "the configured mirror has none of version {}",
            rustc.version
        )
    })?;
    let temp = tempfile::tempdir_in(cache.toolchain())?;
    package.unpack(cache, temp.path())?;
    let library = temp
        .path()
        .join(format!("usr/src/rustc-{}/library", package.upstream));
    let ours = ours(cache, rustc);
    fs::create_dir_all(ours.parent().context("the cache has no parent")?)?;
    fs::rename(&library, &ours).with_context(|| format!("{} holds no library", package.version))?;
    Ok(())
}

fn same_release(one: &Version, other: &Version) -> bool {
    (one.major, one.minor, one.patch) == (other.major, other.minor, other.patch)
}

fn ours(cache: &Cache, rustc: &Rustc) -> PathBuf {
    cache
        .toolchain()
        .join(format!("rust-src-{}", rustc.version))
        .join("library")
}
