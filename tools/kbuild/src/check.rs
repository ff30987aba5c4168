// SPDX-License-Identifier: GPL-2.0
//! Checking the module and the patches by the kernel's own rules.

mod documentation;
mod format;
mod layers;
mod lints;
mod patches;
mod specs;
mod symbols;
mod variants;

use anyhow::{Result, bail};

use crate::{Built, Config, Project, image, progress, variant};

/// Fails with what it found.
type Check = Box<dyn Fn(&Project, &Built) -> Result<()>>;

/// Runs all checks against the lean kernel, which is built first if it is not there, and compiles
/// for its variants. Each check says what it found; any finding fails.
pub fn check() -> Result<()> {
    let project = Project::find()?;
    let built = image::build(Config::Lean)?;
    let mut checks: Vec<(String, Check)> = vec![
        ("rustfmt of the module".into(), Box::new(format::check)),
        ("clippy of the module".into(), Box::new(lints::check)),
        (
            "documentation of the module".into(),
            Box::new(documentation::check),
        ),
        ("layers of the module".into(), Box::new(layers::check)),
        ("what the module calls".into(), Box::new(symbols::check)),
        (
            "descriptions of the families".into(),
            Box::new(specs::check),
        ),
        ("checkpatch of the series".into(), Box::new(patches::check)),
    ];
    for variant in variant::all(&project)? {
        checks.push((
            format!("patches and module for the variant {}", variant.name),
            Box::new(move |project, _| variants::check(project, &variant)),
        ));
    }
    let count = checks.len();
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
            count,
            failed.join(", ")
        ),
    }
}
