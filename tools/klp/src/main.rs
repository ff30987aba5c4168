// SPDX-License-Identifier: GPL-2.0
//! The command line: `klp MODULE SYMBOLS`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

/// Turns symbols of the kernel that it does not export into livepatch's, in a module that refers to
/// them.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Arguments {
    /// The module, which is changed.
    module: PathBuf,
    /// The symbols, in the format of Module.symvers.
    symbols: PathBuf,
}

fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { module, symbols } = arguments;
    let text = fs::read_to_string(symbols).with_context(|| symbols.display().to_string())?;
    let names = klp::names(&text).with_context(|| symbols.display().to_string())?;
    let bytes = fs::read(module).with_context(|| module.display().to_string())?;
    let converted = klp::convert(&bytes, &names).with_context(|| module.display().to_string())?;
    fs::write(module, converted).with_context(|| module.display().to_string())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("klp: {error:#}");
            ExitCode::FAILURE
        }
    }
}
