// SPDX-License-Identifier: GPL-2.0
//! What the module calls: no panic, and of the kernel's taskstats no function that fills a record
//! for the C code alone.

use std::fs;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol};

use crate::{Built, Config, Project, module};

/// Parts of the names of functions that the module must not call.
const FORBIDDEN: &[&str] = &[
    "panic",
    "bacct_add_tsk",
    "xacct_add_tsk",
    "delayacct_add_tsk",
    "fill_stats",
];

pub(super) fn check(_: &Project, _: &Built) -> Result<()> {
    let path = module::build(&module::Kernel::Ours(Config::Lean), module::Purpose::Use)?;
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    let found = forbidden(&bytes).with_context(|| path.display().to_string())?;
    ensure!(found.is_empty(), "the module calls {}", found.join(", "));
    Ok(())
}

fn forbidden(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let undefined = file.symbols().filter(|symbol| symbol.is_undefined());
    let names = undefined.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    ensure!(!names.is_empty(), "no symbols in the module");
    Ok(names
        .into_iter()
        .filter(|name| FORBIDDEN.iter().any(|part| name.contains(part)))
        .collect())
}
