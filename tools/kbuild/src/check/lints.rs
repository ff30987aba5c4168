// SPDX-License-Identifier: GPL-2.0
//! clippy and rustc with the kernel's lints, every warning an error: the module through the slot,
//! as it is used and as it is tested, and by livepatch.

use anyhow::Result;

use crate::{
    Built, Project,
    module::{Job, Purpose},
};

pub(super) fn check(project: &Project, built: &Built) -> Result<()> {
    for (purpose, directory) in [(Purpose::Use, "clippy"), (Purpose::Test, "clippy-test")] {
        let mut all = purpose.arguments();
        all.extend(arguments());
        Job::for_ours(project, built)?
            .aside(directory)
            .build("running clippy", &all)?;
    }
    Job::for_debians(project)?
        .aside("clippy")
        .build("running clippy for Debian's kernel", &arguments())?;
    Ok(())
}

/// What make is told.
pub(super) fn arguments() -> [String; 3] {
    ["CLIPPY=1", "KRUSTFLAGS=-Dwarnings", "KCFLAGS=-Werror"].map(String::from)
}
