// SPDX-License-Identifier: GPL-2.0
//! Debian's packages: which are installed, installing them, and fetching one without installing it.

mod install;
mod sources;
mod version;

pub(crate) use install::{
    install, is_debian, missing, newest_installable, offered, offers_at_least, owner, update,
};
pub(crate) use sources::find;

use duct::Expression;

use crate::run;

fn command(program: &str, options: &[String], arguments: &[&str]) -> Expression {
    let all: Vec<&str> = options
        .iter()
        .flat_map(|option| ["-o", option])
        .chain(arguments.iter().copied())
        .collect();
    run::program(program, &all)
}
