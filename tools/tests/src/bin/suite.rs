// SPDX-License-Identifier: GPL-2.0

//! The tests, to be run as root in a guest.

use std::{fs::File, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tests::{
    caller::{self, Acks, Standing},
    cases,
    context::Context,
    debug_kernel_limits,
    exit::{self, Ending},
    faults::{self, Last},
    fuzz, guest_only,
    implementation::Switch,
    kmemleak::Kmemleak,
    kunit,
    oracle::Oracle,
    report::Report,
    shard::Shard,
    snapshot::Snapshot,
    soak::{Soak, nursery},
    stock::StockClients,
    storm,
    workload::{self, Kind, compute_until_counted},
    ynl_json::{self, Question},
};

/// What must hold of rust_taskstats, with C's taskstats as the oracle. Runs as root in a guest.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the tests.
    Run(Run),
    /// Sends random messages to C and to Rust and compares the answers.
    Fuzz(Fuzz),
    /// Changes the implementation back and forth while tasks query, listen and exit at random.
    Soak(SoakArguments),
    /// Prints what this kernel answers, as JSON that is the same at every boot.
    Snapshot,
    /// Looks for memory that the kernel has lost, prints what it found, and fails if there is any.
    Leaks,
    /// Asks taskacct by way of the crate taskstats, and prints what YNL's client would.
    #[command(hide = true)]
    Taskacct {
        /// What is asked for.
        question: Question,
        /// Of whom.
        id: u32,
    },
    /// Becomes a task that can be asked for.
    #[command(hide = true)]
    Task {
        /// What it does before it stands still.
        kind: Kind,
    },
    /// Becomes the parent of a task that ends.
    #[command(hide = true)]
    Exit {
        /// How it ends.
        ending: Ending,
    },
    /// Becomes the parent of a soak's workers.
    #[command(hide = true)]
    SoakNursery(nursery::Arguments),
    /// Becomes the parent of many short-lived tasks.
    #[command(hide = true)]
    Storm {
        /// The CPU to run on.
        cpu: usize,
        /// How many tasks.
        tasks: usize,
    },
    /// Becomes a process with threads that can be told to exit.
    #[command(hide = true)]
    Process {
        /// How many threads it has.
        threads: usize,
        /// Milliseconds of CPU time that each of them uses.
        work: u64,
    },
    /// Becomes a process whose last thread exits while an allocation fails.
    #[command(hide = true)]
    Dying {
        /// Which thread.
        last: Last,
        /// Which of its allocations.
        nth: usize,
    },
    /// Becomes a process that asks.
    #[command(hide = true)]
    Caller {
        /// What it is and may.
        standing: Standing,
        #[command(flatten)]
        acks: Acks,
    },
}

#[derive(clap::Args)]
struct Run {
    /// The module's file, `rust_taskstats.ko`.
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The folder with the stock clients `getdelays` and `delaytop`.
    #[arg(long, value_name = "FOLDER")]
    clients: PathBuf,
    /// The folder with the kernel's user-space headers, `include/uapi` of its tree.
    #[arg(long, value_name = "FOLDER")]
    headers: PathBuf,
    /// Compares C with C and never loads the module: for working on the tests. Never passes.
    #[arg(long)]
    oracle_only: bool,
    /// The module is the test build (`kbuild module --test-build`): the module that brings C's
    /// records is beside it. Passes only if records were compared and none differed.
    #[arg(long)]
    test_build: bool,
    /// Runs the tests in which allocations fail as well. The kernel has to be able to.
    #[arg(long)]
    faults: bool,
    /// The module takes over by livepatch: runs the tests of that as well, with the modules in this
    /// folder, and leaves out what cannot pass there.
    #[arg(long, value_name = "FOLDER")]
    livepatch: Option<PathBuf>,
    /// Runs the K-th of N shares of the tests, each of which takes about as long.
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Looks after all other tests for memory that the kernel has lost. It has to be able to.
    #[arg(long)]
    leaks: bool,
    /// Writes the results to this file as well, in KTAP version 1. A guest has no files that last,
    /// but `/dev/stderr` is that of the command which starts it.
    #[arg(long, value_name = "FILE")]
    ktap: Option<PathBuf>,
    #[command(flatten)]
    harness: libtest_mimic::Arguments,
}

#[derive(clap::Args)]
struct Fuzz {
    /// The module's file, `rust_taskstats.ko`.
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// How many messages to send to each.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    messages: u64,
    /// What the messages are made of: the same seed, the same messages.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many messages go to one implementation before it is the other's turn.
    #[arg(long, value_name = "N", default_value_t = 2_500)]
    batch: u64,
    /// Compares C with C and never loads the module: for working on the tests. Never passes.
    #[arg(long)]
    oracle_only: bool,
}

#[derive(clap::Args)]
struct SoakArguments {
    /// The module's file, `rust_taskstats.ko`.
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// What the tasks do: the same seed, the same things.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// As libtest's.
const FAILED: u8 = 101;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    guest_only::require()?;
    match arguments.command {
        Command::Run(run) => run.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Soak(soak) => Soak {
            switch: Switch::new(soak.module, false),
            time: Duration::from_secs(soak.seconds),
            seed: soak.seed,
        }
        .run()
        .map(|()| ExitCode::SUCCESS),
        Command::SoakNursery(arguments) => nursery::act(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Snapshot => {
            println!("{}", serde_json::to_string_pretty(&Snapshot::take()?)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Leaks => {
            let found = Kmemleak::open()?.find()?;
            print!("{found}");
            Ok(if found.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Taskacct { question, id } => {
            ynl_json::act(question, id).map(|()| ExitCode::SUCCESS)
        }
        Command::Task { kind } => workload::act(kind).map(|()| ExitCode::SUCCESS),
        Command::Exit { ending } => exit::act(ending).map(|()| ExitCode::SUCCESS),
        Command::Storm { cpu, tasks } => storm::act(cpu, tasks).map(|()| ExitCode::SUCCESS),
        Command::Process { threads, work } => {
            let work = Duration::from_millis(work);
            workload::process::act(threads, work, compute_until_counted).map(|()| ExitCode::SUCCESS)
        }
        Command::Dying { last, nth } => faults::act(last, nth).map(|()| ExitCode::SUCCESS),
        Command::Caller { standing, acks } => {
            caller::act(standing, acks).map(|()| ExitCode::SUCCESS)
        }
    }
}

impl Run {
    fn run(mut self) -> anyhow::Result<ExitCode> {
        let oracle = match self.test_build {
            true => Some(Oracle::load_beside(&self.module)?),
            false => None,
        };
        let switch = Switch::new(self.module, self.oracle_only);
        if self.test_build && !self.harness.list {
            kunit::run_once(&switch)?;
        }
        let context = Arc::new(Context::new(
            switch,
            StockClients::new(&self.clients),
            self.headers,
        )?);
        // All tests change who is in charge of one kernel.
        self.harness.test_threads = Some(1);
        let mut trials = cases::all(&context);
        if self.faults {
            trials.extend(cases::faults::trials(&context));
        }
        if let Some(folder) = self.livepatch {
            trials = cases::livepatch::without_what_cannot_pass(trials);
            trials.extend(cases::livepatch::trials(&context, &folder));
        }
        trials.retain(|trial| {
            let is_left_out = debug_kernel_limits::leaves_out(trial.name());
            if is_left_out && !self.harness.list {
                println!("left out on the debug kernel: {}", trial.name());
            }
            !is_left_out
        });
        if let Some(shard) = self.shard {
            trials = shard.of(trials);
        }
        if self.leaks {
            // At once, if the kernel cannot look for leaks.
            Kmemleak::open()?;
            trials.push(cases::leaks::trial(&context));
        }
        if let Some(path) = self.ktap.filter(|_| !self.harness.list) {
            let runs = trials
                .iter()
                .filter(|trial| !self.harness.is_filtered_out(trial));
            let names: Vec<_> = runs.map(|trial| trial.name().to_owned()).collect();
            let file = File::create(&path).with_context(|| path.display().to_string())?;
            context.report_to(Report::begin(
                Box::new(file),
                &names,
                usize::from(oracle.is_some()),
            )?);
        }
        let conclusion = libtest_mimic::run(&self.harness, trials);
        if self.oracle_only {
            println!("C was compared with C: nothing is proven of Rust.");
            return Ok(ExitCode::from(FAILED));
        }
        if let Some(oracle) = oracle {
            let count = oracle.count()?;
            println!("{count}");
            let text = count.to_string();
            let failed = (!count.is_agreement()).then_some(text.as_str());
            context.report(|report| report.result("oracle", failed))?;
            if !count.is_agreement() {
                return Ok(ExitCode::from(FAILED));
            }
        }
        Ok(conclusion.exit_code())
    }
}

impl Fuzz {
    fn run(self) -> anyhow::Result<ExitCode> {
        let run = fuzz::run::Run {
            switch: Switch::new(self.module, self.oracle_only),
            messages: self.messages,
            seed: self.seed,
            batch: self.batch,
        };
        let equal = run.run()?;
        if self.oracle_only {
            println!("C was compared with C: nothing is proven of Rust.");
        }
        Ok(if equal && !self.oracle_only {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        })
    }
}
