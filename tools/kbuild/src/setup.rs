// SPDX-License-Identifier: GPL-2.0
//! Setting the machine up: every program that a later step calls is checked for first, and
//! installed where missing.

use std::fs;

use anyhow::{Result, bail};

use crate::{
    Cache, apt, progress, run,
    toolchain::{
        Toolchain,
        bindgen::{self, Bindgen},
        core_source,
        llvm::{self, Llvm},
        rustc::Rustc,
        vng,
    },
};

/// Debian's packages, without the compilers, each with a program that shows it is there on another
/// system. `a|b` is either of two.
const PACKAGES: [(&str, &str); 27] = [
    // To build a kernel.
    ("make", "make"),
    ("gcc", "gcc"),
    ("libc6-dev", ""),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("cpio", "cpio"),
    ("kmod", "modprobe"),
    ("libelf-dev", ""),
    ("libssl-dev", ""),
    ("dwarves", "pahole"),
    ("rsync", "rsync"),
    ("perl", "perl"),
    ("patch", "patch"),
    ("tar", "tar"),
    ("xz-utils", "xz"),
    ("zstd", "zstd"),
    ("util-linux", "setpriv"),
    // So that a changed patch costs no full build.
    ("ccache", "ccache"),
    // To boot a guest.
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("python3", "python3"),
    ("python3-venv", ""),
    ("udev", "udevadm"),
    // The two cannot be installed together, and many a machine has the second.
    ("busybox-static|busybox", "busybox"),
    ("iproute2", "ip"),
    ("procps", "ps"),
    // What packages are verified by.
    ("debian-archive-keyring", ""),
];

/// Finds or installs everything that building and booting a kernel needs.
pub fn setup() -> Result<()> {
    let cache = Cache::open()?;
    let _lock = cache.lock("kernel")?;
    prepare(&cache).map(drop)
}

/// The same, for one who holds the lock.
pub(crate) fn prepare(cache: &Cache) -> Result<Toolchain> {
    fs::create_dir_all(cache.toolchain())?;
    fs::create_dir_all(cache.downloads())?;
    let rustc = Rustc::find()?;
    packages(cache, &rustc)?;
    let llvm = Llvm::find(&rustc)?;
    if Bindgen::find(cache, &llvm).is_err() {
        bindgen(cache, &llvm)?;
    }
    if core_source::find(cache, &rustc).is_none() {
        core_source::install(cache, &rustc)?;
    }
    if !vng::is_installed(cache) {
        vng::install(cache)?;
    }
    let toolchain = Toolchain::find(cache)?;
    if !toolchain.can_inline_helpers() {
        progress::say(&format!(
            "rustc has LLVM {}, clang {}: the kernel's C helpers are not inlined into Rust \
             (CONFIG_RUST_INLINE_HELPERS is left out)",
            rustc.llvm.major, llvm.version.major
        ));
    }
    Ok(toolchain)
}

/// Whether no package is missing. Quick, and installs nothing.
pub(crate) fn is_complete() -> Result<bool> {
    Ok(!apt::is_debian() || apt::missing(&names())?.is_empty())
}

/// Installs what is missing, in one go.
fn packages(cache: &Cache, rustc: &Rustc) -> Result<()> {
    if !apt::is_debian() {
        return elsewhere();
    }
    let mut wanted = apt::missing(&names())?;
    wanted.extend(llvm_packages(cache, rustc)?);
    if wanted.is_empty() {
        Ok(())
    } else {
        apt::install(cache, &wanted)
    }
}

/// The LLVM packages to install: those of rustc's own version if there are any, or else of the
/// newest, but then only if there is no LLVM at all that will do.
fn llvm_packages(cache: &Cache, rustc: &Rustc) -> Result<Vec<String>> {
    let same = Llvm::packages(rustc.llvm.major);
    let missing = apt::missing(&same)?;
    if missing.is_empty() {
        return Ok(missing);
    }
    let is_offered = || apt::offered(&same[0]).map(|version| version.is_some());
    if is_offered()? {
        return Ok(missing);
    }
    if Llvm::find(rustc).is_ok() {
        return Ok(Vec::new());
    }
    apt::update(cache)?;
    if is_offered()? {
        return Ok(missing);
    }
    match apt::newest_installable("clang-")? {
        Some(major) if major >= llvm::OLDEST.major => apt::missing(&Llvm::packages(major)),
        _ => bail!(
            "the kernel needs clang {} or newer, and the machine's sources have none",
            llvm::OLDEST.major
        ),
    }
}

/// Debian's bindgen if it is new enough, else ours.
fn bindgen(cache: &Cache, llvm: &Llvm) -> Result<()> {
    if apt::is_debian() && apt::offers_at_least("bindgen", &bindgen::OLDEST)? {
        apt::install(cache, &["bindgen".into()])?;
        if Bindgen::find(cache, llvm).is_ok() {
            return Ok(());
        }
    }
    bindgen::install(cache, llvm)
}

/// On a system that is no Debian nothing is installed: what is missing is named.
fn elsewhere() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program)| !program.is_empty() && run::which(program).is_none())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "this system is no Debian, so nothing can be installed for you. What is missing, by the \
         names of Debian's packages: {}",
        missing.join(" ")
    );
}

fn names() -> Vec<String> {
    PACKAGES
        .iter()
        .map(|(package, _)| (*package).to_owned())
        .collect()
}
