// SPDX-License-Identifier: GPL-2.0
//! What is installed on the machine, and installing what is missing.

use std::{collections::BTreeSet, io::IsTerminal, path::Path};

use anyhow::{Context, Result, bail};
use semver::Version;

use super::version::upstream;
use crate::{Cache, hint::hint, progress, run};

/// Waits for another apt, such as the machine's own nightly one, and keeps the machine's
/// configuration files.
const OPTIONS: [&str; 3] = [
    "DPkg::Lock::Timeout=600",
    "Dpkg::Options::=--force-confdef",
    "Dpkg::Options::=--force-confold",
];

/// Whether the machine's packages are Debian's.
pub(crate) fn is_debian() -> bool {
    ["dpkg-query", "apt-get", "apt-cache"]
        .iter()
        .all(|program| run::which(program).is_some())
}

/// Those of the packages that are not installed. `a|b` is satisfied by either, and is `a` if it is
/// missing.
pub(crate) fn missing(packages: &[String]) -> Result<Vec<String>> {
    let mut arguments = vec!["--show", "--showformat=${Package} ${db:Status-Status}\n"];
    arguments.extend(packages.iter().flat_map(|package| package.split('|')));
    // It fails where it knows no package of a name, and still lists the others.
    let query = run::program("dpkg-query", &arguments);
    let output = query.stdout_capture().stderr_null().unchecked().run()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    Ok(packages
        .iter()
        .filter(|package| !package.split('|').any(|name| installed.contains(name)))
        .filter_map(|package| package.split('|').next().map(str::to_owned))
        .collect())
}

/// The package that a file on the machine belongs to.
pub(crate) fn owner(file: &Path) -> Result<Option<String>> {
    if !is_debian() {
        return Ok(None);
    }
    let search = run::program("dpkg-query", &["--search", &file.to_string_lossy()]);
    // It fails where no package has the file.
    let output = search.stdout_capture().stderr_null().unchecked().run()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split([':', ','])
        .next()
        .filter(|name| !name.is_empty())
        .map(str::to_owned))
}

/// Whether apt would install a package of that name, and which version.
pub(crate) fn offered(package: &str) -> Result<Option<String>> {
    let policy = run::answer(&run::program("apt-cache", &["policy", package]))?;
    let candidate = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(candidate
        .filter(|version| *version != "(none)")
        .map(str::to_owned))
}

/// The highest N for which apt has a package `{prefix}N`.
pub(crate) fn newest_installable(prefix: &str) -> Result<Option<u64>> {
    let names = run::answer(&run::program("apt-cache", &["pkgnames", prefix]))?;
    let mut numbers: Vec<u64> = names
        .lines()
        .filter_map(|name| name.strip_prefix(prefix)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    while let Some(number) = numbers.pop() {
        if offered(&format!("{prefix}{number}"))?.is_some() {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Whether apt would install a package of at least some upstream version.
pub(crate) fn offers_at_least(package: &str, oldest: &Version) -> Result<bool> {
    Ok(offered(package)?
        .and_then(|version| upstream(&version))
        .is_some_and(|version| version >= *oldest))
}

/// Fetches the package lists.
pub(crate) fn update(cache: &Cache) -> Result<()> {
    as_root(cache, "updating the package lists", &["update"])
}

/// Installs packages, as root or through sudo. Asks nothing and removes nothing.
pub(crate) fn install(cache: &Cache, packages: &[String]) -> Result<()> {
    let names = packages.join(" ");
    progress::say(&format!("installing {names}"));
    let title = format!("installing {} packages", packages.len());
    let mut arguments = vec!["install", "--yes", "--no-install-recommends", "--no-remove"];
    arguments.extend(packages.iter().map(String::as_str));
    let install = || as_root(cache, &title, &arguments);
    // The package lists may be missing or too old: then once more with new ones.
    let are_offered = packages
        .iter()
        .all(|package| matches!(offered(package), Ok(Some(_))));
    if are_offered && install().is_ok() {
        return Ok(());
    }
    let installed = update(cache).and_then(|()| install());
    hint(
        installed.context("packages that are needed are not installed"),
        &format!("As root: apt-get install --no-install-recommends {names}"),
    )
}

/// Runs apt-get as root, or through sudo.
fn as_root(cache: &Cache, title: &str, arguments: &[&str]) -> Result<()> {
    let mut all = sudo()?.to_vec();
    all.extend([
        "env",
        "LC_ALL=C",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
    ]);
    all.extend(OPTIONS.iter().flat_map(|option| ["-o", option]));
    all.extend(arguments);
    let apt = run::program(all[0], &all[1..]);
    run::logged(title, &apt, &cache.log("apt"), run::last_line)
}

/// What to put before a command that only root may run.
fn sudo() -> Result<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        Ok(&[])
    } else if run::which("sudo").is_none() {
        bail!("this is neither root nor is there a sudo to become root")
    } else if std::io::stdin().is_terminal() {
        Ok(&["sudo"])
    } else {
        // Nobody is there to type a password.
        Ok(&["sudo", "--non-interactive"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_installed_from_missing() {
        if !is_debian() {
            return;
        }
        let names = [
            "base-files",
            "no-such-package-at-all",
            "no-such-either|dpkg",
            "no-a|no-b",
        ];
        let missing = missing(&names.map(String::from)).unwrap();
        assert_eq!(missing, ["no-such-package-at-all", "no-a"]);
        assert_eq!(offered("no-such-package-at-all").unwrap(), None);
        assert_eq!(
            owner(Path::new("/usr/bin/dpkg-query")).unwrap().as_deref(),
            Some("dpkg")
        );
        assert_eq!(owner(Path::new("/no/such/file")).unwrap(), None);
    }
}
