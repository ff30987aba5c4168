// SPDX-License-Identifier: GPL-2.0
//! Checking the module and the patches by the kernel's own rules.

mod documentation;
mod format;
mod lints;
mod patches;

use anyhow::{Result, bail};

use crate::{Built, Config, Project, Request, image, progress};

/// Fails with what it found.
type Check = fn(&Project, &Built) -> Result<()>;

/// Runs all checks against the lean kernel, which is built first if it is not there. Each says what
/// it found; any finding fails.
pub fn check() -> Result<()> {
    let project = Project::find()?;
    let built = image::build(&Request {
        config: Config::Lean,
        ..Request::default()
    })?;
    let checks: [(&str, Check); 4] = [
        ("rustfmt of the module", format::check),
        ("clippy of the module", lints::check),
        ("documentation of the module", documentation::check),
        ("checkpatch of the series", patches::check),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        match check(&project, &built) {
            Ok(()) => progress::say(&format!("{name}: ok")),
            Err(error) => {
                progress::say(&format!("{name}: FAILED\n{error:#}"));
                failed.push(name);
            }
        }
    }
    match failed[..] {
        [] => Ok(()),
        _ => bail!(
            "{} of {} checks failed: {}",
            failed.len(),
            checks.len(),
            failed.join(", ")
        ),
    }
}
