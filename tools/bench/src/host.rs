// SPDX-License-Identifier: GPL-2.0

//! On the machine itself: boots the guests, shows what they found, compares it with what is kept.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use guest::{Guest, Implementation};
use kbuild::{Built, Cache, Config, Project};
use procfs::Current;
use serde::de::DeserializeOwned;

use crate::{
    count::{Counted, SETTLED},
    figures::{Figures, Key, Rounds, Row, Unit},
    guard::{self, Kept},
    iterator, scaling, sizes,
    table::{self, Format},
};

/// How long a guest may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(1800);

#[derive(clap::Args)]
pub(crate) struct Run {
    /// Keeps the ratios, for later runs to be compared with.
    #[arg(long)]
    record: bool,
    /// Writes the tables into this page, between its marks.
    #[arg(long, value_name = "FILE")]
    doc: Option<PathBuf>,
    /// Where all figures of this run go, instead of `bench.json` in the cache.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the ratios are kept, instead of the project's own file.
    #[arg(long, value_name = "FILE")]
    kept: Option<PathBuf>,
    /// The project's kernel to measure.
    #[arg(long, default_value_t)]
    config: Config,
    /// Counts instructions only, without the guest of two CPUs.
    #[arg(long)]
    no_throughput: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode> {
        guest::kill_guests_on_signals()?;
        let built = kbuild::built(self.config)?;
        let key = key(&built.build)?;

        eprintln!("bench: counting instructions under C and Rust in turn; this takes minutes");
        let iterator = self.iterator()?;
        let counted: Counted = self.measure("count", &iterator, &built, |guest| {
            guest.cpus(1).icount(true)
        })?;
        let mut rows: Vec<_> = counted.rows.iter().map(Rounds::row).collect();
        if self.config != Config::Debian {
            rows.extend(size_rows(&built)?);
        }
        println!("{}\n", title(&counted));
        println!("{}\n", table::table(&rows, Format::Text));

        let (mut concurrent, mut scaled) = (Vec::new(), Vec::new());
        if !self.no_throughput {
            eprintln!("bench: measuring what clients get at once, on two CPUs");
            let rounds: Vec<Rounds> =
                self.measure("throughput", &[], &built, |guest| guest.cpus(2))?;
            concurrent.extend(rounds.iter().map(Rounds::row));
            scaled.extend(scaling::scaling(&rounds).iter().map(Rounds::row));
            println!("Answers a second by the wall clock; only the ratios mean anything.");
            println!("{}\n", load()?);
            println!("{}\n", table::table(&concurrent, Format::Text));
            println!("{SCALING}:\n\n{}\n", table::table(&scaled, Format::Text));
        }

        if let Some(page) = &self.doc {
            document(page, self.config, &key, &rows, [&concurrent, &scaled])?;
        }
        let settled = counted.unsettled.is_empty();
        if !settled {
            println!(
                "Not settled: after {} rounds, {} % and more lie between the rounds of: {}.",
                counted.rows.first().map_or(0, |row| row.rust.len()),
                SETTLED * 100.0,
                counted.unsettled.join("; ")
            );
        }
        let now = Figures {
            key,
            rows: [rows, concurrent, scaled].concat(),
        };
        let json = match &self.json {
            Some(file) => file.clone(),
            None => Cache::open()?.root().join("bench.json"),
        };
        now.write(&json)?;
        println!("All figures are in {}.", json.display());
        let kept = self.kept()?;
        let good = if self.record {
            ensure!(
                settled,
                "ratios of figures that have not settled are not kept"
            );
            Kept::of(&now.rows).write(&kept)?;
            println!("The ratios are kept in {}.", kept.display());
            true
        } else if kept.is_file() {
            compare(&now, &kept)?
        } else {
            println!("No ratios of `{}` are kept to compare with.", self.config);
            true
        };
        Ok(if good && settled {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// The file with the kept ratios.
    fn kept(&self) -> Result<PathBuf> {
        Ok(match &self.kept {
            Some(file) => file.clone(),
            None => Project::find()?
                .top()
                .join(format!("tools/bench/ratios/{}.json", self.config)),
        })
    }

    /// The option for what dumps are measured against. BPF's iterators need a kernel with BTF.
    fn iterator(&self) -> Result<Vec<String>> {
        if self.config != Config::Debian {
            return Ok(vec![]);
        }
        let source = Project::find()?.top().join("tools/bench/bpf/tasks.bpf.c");
        let file = iterator::compile(&source, Cache::open()?.root().join("tasks.bpf.o"))?;
        let file = file.to_str().context("the cache's path is not UTF-8")?;
        Ok(vec!["--iterator".into(), file.into()])
    }

    /// Boots a guest that measures.
    fn measure<T: DeserializeOwned>(
        &self,
        what: &str,
        options: &[String],
        built: &Built,
        set: impl Fn(Guest) -> Guest,
    ) -> Result<T> {
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let guest = guest(self.config, built, what, &options)?.time_limit(LIMIT);
        let outcome = set(guest).run()?;
        ensure!(
            outcome.success(),
            "the guest ended with {}\n{}{}",
            outcome.status(),
            String::from_utf8_lossy(&outcome.stderr),
            outcome.report().unwrap_or_default()
        );
        Ok(serde_json::from_slice(&outcome.stdout)?)
    }
}

/// The CPU that is emulated: one without fast string instructions, of which each step counts as an
/// instruction. The kernel then copies and clears by words, in C and in Rust.
const CPU: &str = "max,-erms,-fsrm,-fsrs,-fzrm";

/// A guest that runs this program, as `what`, without the module, which it loads itself.
pub(crate) fn guest(config: Config, built: &Built, what: &str, more: &[&str]) -> Result<Guest> {
    let program = env::current_exe()?;
    let program = program
        .to_str()
        .context("the program's path is not UTF-8")?;
    let module = built
        .module
        .to_str()
        .context("the module's path is not UTF-8")?;
    let words = [program, what, "--module", module].into_iter();
    Ok(Guest::builder()
        .implementation(Implementation::None)
        .config(config)
        .kvm(false)
        .qemu("-cpu")
        .qemu(CPU)
        .command(words.chain(more.iter().copied())))
}

fn title(counted: &Counted) -> String {
    let rounds = counted.rows.first().map_or(0, |row| row.rust.len());
    format!("Instructions (sizes: bytes), the median of {rounds} rounds of C and Rust in one boot")
}

/// What else the machine does.
fn load() -> Result<String> {
    let load = procfs::LoadAverage::current()?.one;
    let cpus = std::thread::available_parallelism()?;
    Ok(format!("The machine has {cpus} CPUs and a load of {load}."))
}

/// What the figures depend on.
fn key(build: &Path) -> Result<Key> {
    let read = |name: &str| -> Result<String> {
        let path = build.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let config = read(".config")?;
    let program = format!("qemu-system-{}", env::consts::ARCH);
    let output = Command::new(&program).arg("--version").output();
    let emulator = String::from_utf8(output.context(program)?.stdout)?;
    Ok(Key {
        kernel: read("include/config/kernel.release")?.trim().to_owned(),
        rustc: option(&config, "CONFIG_RUSTC_VERSION_TEXT")?,
        compiler: option(&config, "CONFIG_CC_VERSION_TEXT")?,
        emulator: emulator.lines().next().unwrap_or_default().to_owned(),
    })
}

/// The text that an option of the kernel has.
fn option(config: &str, name: &str) -> Result<String> {
    config
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"').to_owned())
        .with_context(|| format!("the kernel has no {name}"))
}

/// The module beside the object files that it stands for, where these were built here.
fn size_rows(built: &Built) -> Result<Vec<Row>> {
    let object = |name| built.build.join("kernel").join(name);
    let c = sizes::of(&[&object("taskstats.o"), &object("tsacct.o")])?;
    let rust = sizes::of(&[&built.module])?;
    let row = |figure: &str, c: u64, rust: u64| Row {
        figure: figure.to_owned(),
        unit: Unit::Bytes,
        c: Some(c as i64),
        rust: Some(rust as i64),
        ratio: (c != 0).then(|| (rust as f64 / c as f64 * 1000.0).round() / 1000.0),
        spread: None,
    };
    Ok(vec![
        row("code, bytes", c.text, rust.text),
        row("constants, bytes", c.constants, rust.constants),
        row("data, bytes", c.data, rust.data),
    ])
}

const SCALING: &str = "What several clients get together, in percent of what one gets alone";

fn document(
    page: &Path,
    kernel: Config,
    key: &Key,
    rows: &[Row],
    [concurrent, scaled]: [&[Row]; 2],
) -> Result<()> {
    let mut text = format!(
        "Linux {},\n{},\n{},\n{}.\n\n{}",
        key.kernel,
        key.rustc,
        key.compiler,
        key.emulator,
        table::table(rows, Format::Rest)
    );
    if !concurrent.is_empty() {
        text += "\n\nClients that ask at once, on two CPUs, in answers a second:\n\n";
        text += &table::table(concurrent, Format::Rest);
        text += &format!("\n\n{SCALING}:\n\n");
        text += &table::table(scaled, Format::Rest);
    }
    let old = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let new = table::replace(&old, kernel, &text).with_context(|| page.display().to_string())?;
    fs::write(page, new).with_context(|| page.display().to_string())
}

/// Whether each ratio was compared with the kept one, and none got worse.
fn compare(now: &Figures, file: &Path) -> Result<bool> {
    let comparison = guard::compare(&Kept::read(file)?, &now.rows);
    for (what, figures) in [
        ("Not kept yet (make bench RECORD=1)", &comparison.unknown),
        ("Kept, but not measured", &comparison.missing),
    ] {
        if !figures.is_empty() {
            println!("{what}: {}.", figures.join("; "));
        }
    }
    let (number, allowed) = (comparison.compared, guard::ALLOWED * 100.0);
    println!(
        "{number} ratios of Rust's instructions to C's were compared with {}: {} are more than \
         {allowed} % worse.",
        file.display(),
        comparison.worse.len()
    );
    comparison
        .worse
        .iter()
        .for_each(|worse| println!("  {worse}"));
    Ok(comparison.is_good())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_the_kernel_is_read() {
        let config = "CONFIG_A=y\nCONFIG_CC_VERSION_TEXT=\"clang 22\"\n# CONFIG_B is not set\n";
        assert_eq!(
            option(config, "CONFIG_CC_VERSION_TEXT").unwrap(),
            "clang 22"
        );
        assert!(option(config, "CONFIG_CC_VERSION").is_err());
        assert!(option(config, "CONFIG_B").is_err());
    }
}
