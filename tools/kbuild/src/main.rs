// SPDX-License-Identifier: GPL-2.0
//! The command `kbuild`: see [`kbuild`] for what it does.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use kbuild::{
    Built, Config,
    module::{Kernel, Purpose},
};

/// Builds the kernel that the module is made for, and the module.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetches the kernel's source, patches, configures and builds it. Does nothing again that is
    /// done, and continues what was interrupted.
    Build {
        /// Which kernel.
        #[arg(long, default_value_t)]
        config: Config,
    },
    /// Builds the module of this work tree, and before it the kernel if need be. Prints where the
    /// module is.
    Module {
        /// For which of the project's kernels.
        #[arg(long, default_value_t)]
        config: Config,
        /// For a kernel of your own instead: its build directory.
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "config")]
        kdir: Option<PathBuf>,
        /// As it is tested: it compares each record with C's and brings KUnit tests.
        #[arg(long)]
        test_build: bool,
    },
    /// Builds the external modules of a directory, and before them the kernel if need be. Prints
    /// where they are.
    Modules {
        /// For which of the project's kernels.
        #[arg(long, default_value_t)]
        config: Config,
        /// The directory, which has a Kbuild.
        directory: PathBuf,
    },
    /// Prints where a part of a built kernel is.
    Path {
        /// Of which kernel.
        #[arg(long, default_value_t)]
        config: Config,
        /// Which part.
        part: Part,
    },
    /// Checks the module and the patches by the kernel's rules: rustfmt, clippy, rustdoc,
    /// checkpatch.
    Check,
    /// Removes what the kernels of this work tree do not need: those of other patches, options and
    /// compilers.
    Clean,
}

/// A part of a built kernel.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// The bootable image.
    Image,
    /// The build directory, which `KDIR=` takes.
    Build,
    /// The patched source.
    Source,
    /// The module of this work tree.
    Module,
    /// The module of this work tree as it is tested, `--test-build`.
    TestModule,
    /// The directory of getdelays, procacct and delaytop.
    Accounting,
}

impl Part {
    fn of(self, built: Built) -> PathBuf {
        match self {
            Self::Image => built.image,
            Self::Build => built.build,
            Self::Source => built.source,
            Self::Module => built.module,
            Self::TestModule => built.test_module,
            Self::Accounting => built.accounting,
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kbuild: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Build { config } => {
            println!("{}", kbuild::build(config)?.image.display());
            Ok(())
        }
        Command::Module {
            config,
            kdir,
            test_build,
        } => {
            let kernel = kdir.map_or(Kernel::Ours(config), Kernel::Theirs);
            let purpose = match test_build {
                true => Purpose::Test,
                false => Purpose::Use,
            };
            println!("{}", kbuild::module::build(&kernel, purpose)?.display());
            Ok(())
        }
        Command::Modules { config, directory } => {
            let directory = directory.canonicalize()?;
            let built = kbuild::module::build_others(&directory, config)?;
            println!("{}", built.display());
            Ok(())
        }
        Command::Path { config, part } => {
            println!("{}", part.of(kbuild::built(config)?).display());
            Ok(())
        }
        Command::Check => kbuild::check::check(),
        Command::Clean => kbuild::clean(),
    }
}
