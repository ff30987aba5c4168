// SPDX-License-Identifier: GPL-2.0
//! Versions of Debian's packages.

use semver::Version;

/// The upstream part of Debian's version `[epoch:]upstream[-revision]`, without what packaging put
/// behind it.
pub(super) fn upstream(version: &str) -> Option<Version> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(version.len());
    // A first release has two numbers.
    let mut numbers = version[..end].split('.').map(|number| number.parse().ok());
    Some(Version::new(
        numbers.next()??,
        numbers.next()??,
        numbers.next().unwrap_or(Some(0))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_versions() {
        assert_eq!(upstream("7.3.10-1~bpo13+1"), Some(Version::new(7, 3, 10)));
        assert_eq!(
            upstream("1.95.0+dfsg1-2~bpo13+1"),
            Some(Version::new(1, 95, 0))
        );
        assert_eq!(upstream("1:7.3-1"), Some(Version::new(7, 3, 0)));
        assert_eq!(upstream("7.3~rc4-1"), Some(Version::new(7, 3, 0)));
        assert_eq!(upstream("unknown"), None);
    }
}
