// SPDX-License-Identifier: GPL-2.0
//! bindgen, which makes Rust declarations of the kernel's headers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use semver::Version;

use super::{llvm::Llvm, version_after, version_text};
use crate::{Cache, hint::hint, run};

/// The oldest that Linux 7.3 takes (its `scripts/min-tool-version.sh`).
pub(crate) const OLDEST: Version = Version::new(0, 71, 1);

/// The one that is built where the machine has none that will do.
const OURS: &str = "0.72.1";

/// A forward declaration before the definition: an older bindgen loses the fields with libclang 22,
/// and the kernel then builds up to an error that explains nothing (`scripts/rust_is_available.sh`
/// asks the same).
const PROBE: &str = "struct S;\nstruct S {\n\tint foo;\n};\n";

/// A bindgen that works with a libclang.
#[derive(Debug)]
pub(crate) struct Bindgen {
    pub(crate) program: PathBuf,
    pub(crate) version: Version,
}

impl Bindgen {
    /// Finds the one on the path, or ours in the cache.
    pub(crate) fn find(cache: &Cache, llvm: &Llvm) -> Result<Self> {
        let mut unsuitable = String::new();
        for program in [run::which("bindgen"), Some(ours(cache))]
            .into_iter()
            .flatten()
            .filter(|file| file.is_file())
        {
            match Self::examine(program, llvm) {
                Ok(bindgen) => return Ok(bindgen),
                Err(error) => unsuitable.push_str(&format!("; {error:#}")),
            }
        }
        bail!("no bindgen that will do (version {OLDEST} or newer) is installed{unsuitable}");
    }

    fn examine(program: PathBuf, llvm: &Llvm) -> Result<Self> {
        let name = program.display().to_string();
        let said = version_text(&program)?;
        let version = version_after(&said, "bindgen ")
            .with_context(|| format!("{name} names no version: {said:?}"))?;
        if version < OLDEST {
            bail!("{name} is version {version}, too old");
        }
        if may_lose_fields(&version, llvm) && !keeps_fields(&program, llvm)? {
            bail!(
                "{name} {version} does not work with libclang {}",
                llvm.version
            );
        }
        Ok(Self { program, version })
    }
}

/// Whether only a probe shows if it will do: a distribution may have mended an older version.
fn may_lose_fields(version: &Version, llvm: &Llvm) -> bool {
    llvm.version.major >= 22 && *version < Version::new(0, 72, 1)
}

fn keeps_fields(program: &Path, llvm: &Llvm) -> Result<bool> {
    let temp = tempfile::Builder::new().suffix(".h").tempfile()?;
    fs::write(&temp, PROBE)?;
    let header = temp.path().to_string_lossy();
    let mut probe = run::program(program, &["--formatter", "none", &header]);
    if let Some(libclang) = &llvm.libclang {
        probe = probe.env("LIBCLANG_PATH", libclang);
    }
    Ok(run::answer(&probe)?.contains("pub foo"))
}

/// Builds ours into the cache.
pub(crate) fn install(cache: &Cache, llvm: &Llvm) -> Result<()> {
    let root = cache.toolchain();
    let temp = tempfile::tempdir_in(cache.root())?;
    let (root, target) = (root.to_string_lossy(), temp.path().to_string_lossy());
    let arguments = [
        "install",
        "bindgen-cli",
        "--version",
        OURS,
        "--locked",
        "--force",
        "--root",
        &*root,
        "--target-dir",
        &*target,
    ];
    let build = run::program("cargo", &arguments).env_remove("RUSTFLAGS");
    let title = format!("building bindgen {OURS}");
    let built = run::logged(&title, &build, &cache.log("bindgen"), run::last_line);
    hint(
        built,
        "bindgen-cli 0.72.1 or newer on the PATH is used instead.",
    )?;
    Bindgen::examine(ours(cache), llvm).map(drop)
}

fn ours(cache: &Cache) -> PathBuf {
    cache.toolchain().join(Path::new("bin/bindgen"))
}
