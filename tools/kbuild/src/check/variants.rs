// SPDX-License-Identifier: GPL-2.0
//! That the patches and the module compile for a variant of the lean kernel, without a warning.

use anyhow::Result;

use crate::{
    Cache, Project,
    module::Job,
    toolchain::{companion::CLIPPY, rustc::Rustc},
    variant::Variant,
};

pub(super) fn check(project: &Project, variant: &Variant) -> Result<()> {
    CLIPPY.get(&Cache::open()?, &Rustc::find()?)?;
    let built = variant.prepare(project)?;
    let title = format!("compiling the module for {}", variant.name);
    Job::for_prepared(project, &built)?.compile(&title, &super::lints::arguments())
}
