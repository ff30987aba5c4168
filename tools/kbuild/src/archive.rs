// SPDX-License-Identifier: GPL-2.0
//! Unpacking.

use std::path::Path;

use anyhow::{Context, Result};
use semver::Version;

use crate::run;

/// Unpacks a Debian package into a directory.
pub(crate) fn unpack_package(package: &Path, into: &Path, log: &Path) -> Result<()> {
    let unpack = duct::cmd!("dpkg-deb", "--extract", package, into);
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    run::logged(&format!("unpacking {name}"), &unpack, log, |_| None)
}

/// Unpacks a kernel's tarball into a directory, without its own top directory.
pub(crate) fn unpack_kernel(tarball: &Path, into: &Path, log: &Path) -> Result<()> {
    let unpack = duct::cmd!(
        "tar",
        "--extract",
        "--file",
        tarball,
        "--directory",
        into,
        "--strip-components=1"
    );
    run::logged("unpacking the kernel", &unpack, log, |_| None)
}

/// The version of the kernel in a tarball.
pub(crate) fn kernel_version(tarball: &Path) -> Result<Version> {
    let read = duct::cmd!(
        "tar",
        "--extract",
        "--file",
        tarball,
        "--to-stdout",
        "--occurrence=1",
        "--wildcards",
        "--no-wildcards-match-slash",
        "*/Makefile"
    );
    let makefile = run::answer(&read)
        .with_context(|| format!("{} is no tarball of a kernel", tarball.display()))?;
    version_in(&makefile).with_context(|| {
        format!(
            "the Makefile in {} names no kernel version",
            tarball.display()
        )
    })
}

/// The version that the first lines of a kernel's Makefile name.
fn version_in(makefile: &str) -> Option<Version> {
    let number = |name: &str| -> Option<u64> {
        let line = makefile
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))?;
        line.trim().parse().ok()
    };
    Some(Version::new(
        number("VERSION")?,
        number("PATCHLEVEL")?,
        number("SUBLEVEL")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_a_makefile() {
        let makefile = "# SPDX\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nNAME = X\nVERSION = 9\n";
        assert_eq!(version_in(makefile), Some(Version::new(7, 3, 4)));
        assert_eq!(version_in("all:\n\ttrue\n"), None);
    }

    #[test]
    fn reads_the_version_in_a_tarball() {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().join("linux-7.3.9");
        std::fs::create_dir_all(top.join("arch")).unwrap();
        std::fs::write(top.join("arch/Makefile"), "VERSION = 1\n").unwrap();
        std::fs::write(
            top.join("Makefile"),
            "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 9\n",
        )
        .unwrap();
        let tarball = temp.path().join("linux.tar");
        duct::cmd!(
            "tar",
            "-cf",
            &tarball,
            "-C",
            temp.path(),
            "linux-7.3.9/arch",
            "linux-7.3.9/Makefile"
        )
        .run()
        .unwrap();
        assert_eq!(kernel_version(&tarball).unwrap(), Version::new(7, 3, 9));
        let other = temp.path().join("other.tar");
        duct::cmd!("tar", "-cf", &other, "-C", temp.path(), "linux-7.3.9/arch")
            .run()
            .unwrap();
        assert!(kernel_version(&other).is_err());
    }
}
