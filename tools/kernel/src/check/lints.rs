// SPDX-License-Identifier: GPL-2.0
//! clippy and rustc with the kernel's lints, every warning an error.

use anyhow::Result;

use crate::{
    Built, Cache, Project,
    module::{Job, Variant},
    toolchain::{companion::CLIPPY, rustc::Rustc},
};

pub(super) fn check(project: &Project, built: &Built) -> Result<()> {
    // Kbuild calls it by its name.
    CLIPPY.get(&Cache::open()?, &Rustc::find()?)?;
    let arguments = ["CLIPPY=1", "KRUSTFLAGS=-Dwarnings", "KCFLAGS=-Werror"];
    for (variant, directory) in [
        (Variant::Production, "clippy"),
        (Variant::Test, "clippy-test"),
    ] {
        let mut all = variant.arguments();
        all.extend(arguments.map(String::from));
        Job::for_ours(project, built)?
            .aside(directory)
            .build("running clippy", &all)?;
    }
    Ok(())
}
