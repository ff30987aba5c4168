// SPDX-License-Identifier: GPL-2.0
//! That the patches and the module compile for a variant of the lean kernel, without a warning.

use anyhow::Result;

use crate::{Project, module::Job, variant::Variant};

pub(super) fn check(project: &Project, variant: &Variant) -> Result<()> {
    let built = variant.prepare(project)?;
    let title = format!("compiling the module for {}", variant.name);
    Job::for_prepared(project, &built)?.compile(&title, &super::lints::arguments())
}
