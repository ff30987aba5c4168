// SPDX-License-Identifier: GPL-2.0
//! The environment of the command in the guest.

use std::{env, path::Path};

/// The caller's environment variables that the command gets as well.
const PASSED_ON: &[&str] = &["NO_COLOR", "RUST_BACKTRACE", "RUST_LOG"];
/// Where root's programs are, which a user's `PATH` may lack.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command's whole environment: fixed variables, a few of the caller's, and those that were
/// named. Programs are looked for in this folder first.
pub(crate) fn of(programs: &Path, named: &[(String, String)]) -> Vec<(String, String)> {
    let programs = programs.display();
    let path = match env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{programs}:{path}:{ROOT_PATH}"),
        _ => format!("{programs}:{ROOT_PATH}"),
    };
    let fixed = [
        ("PATH", path.as_str()),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LANG", "C.UTF-8"),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let passed_on = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
    fixed
        .into_iter()
        .chain(passed_on)
        .chain(named.iter().cloned())
        .collect()
}
