// SPDX-License-Identifier: GPL-2.0

//! Where the instructions of one operation go, by the functions of the kernel.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
};

use anyhow::{Context, Result, bail, ensure};
use kbuild::Config;
use rustc_demangle::demangle;
use tabled::{
    builder::Builder,
    settings::{Alignment, Style, object::Columns},
};

use crate::{host, operation::ONE_BY_ONE, table::trimmed};

/// Addresses below are user space's.
const KERNEL: u64 = 1 << 63;

#[derive(clap::Args)]
pub(crate) struct Profile {
    /// The figure, as the table of `make bench` names it, or `process exit, N`, `thread exit, N`
    /// for an exit with N listeners.
    figure: String,
    /// How many functions to show.
    #[arg(long, default_value_t = 40)]
    top: usize,
    /// Shows what differs most between C and Rust, instead of what costs most.
    #[arg(long)]
    difference: bool,
    /// The project's kernel to measure.
    #[arg(long, default_value_t)]
    config: Config,
}

impl Profile {
    pub(crate) fn run(self) -> Result<()> {
        guest::kill_guests_on_signals()?;
        let built = kbuild::built(self.config)?;
        let folder = tempfile::tempdir()?;
        let counts = folder.path().join("counts");
        let plugin = std::env::current_exe()?.with_file_name("libexec_count.so");
        ensure!(plugin.is_file(), "{} is not there", plugin.display());

        let symbols = host::guest(self.config, &built, "marked", &[&self.figure])?
            .cpus(1)
            .icount(true)
            .qemu("-plugin")
            .qemu(format!("{},out={}", plugin.display(), counts.display()))
            .run()?;
        if !symbols.success() {
            bail!(
                "the guest ended with {}\n{}{}",
                symbols.status(),
                String::from_utf8_lossy(&symbols.stderr),
                symbols.report().unwrap_or_default()
            );
        }
        let symbols = Symbols::read(&String::from_utf8_lossy(&symbols.stdout));
        let times = times(&fs::read_to_string(&counts).context("what the plugin wrote")?)?;
        ensure!(
            !times.is_empty() && times.len() % 2 == 0,
            "no marks were seen"
        );
        let (c, rust) = times.split_at(times.len() / 2);
        let [c, rust] = [c, rust].map(|times| symbols.functions(typical(times)));
        println!("{}", self.table(&c, &rust));
        Ok(())
    }

    fn table(&self, c: &Functions, rust: &Functions) -> String {
        let of = |functions: &Functions, name: &str| functions.get(name).copied().unwrap_or(0);
        let mut names: Vec<_> = c.keys().chain(rust.keys()).collect();
        names.sort();
        names.dedup();
        names.sort_by_key(|name| {
            let (c, rust) = (of(c, name), of(rust, name));
            std::cmp::Reverse(if self.difference {
                c.abs_diff(rust)
            } else {
                c.max(rust)
            })
        });
        let mut builder = Builder::default();
        let mut add = |name: &str, c: u64, rust: u64| {
            let difference = rust as i64 - c as i64;
            builder.push_record([
                c.to_string(),
                rust.to_string(),
                format!("{difference:+}"),
                name.to_owned(),
            ]);
        };
        add("all", c.values().sum(), rust.values().sum());
        for name in names.into_iter().take(self.top) {
            add(name, of(c, name), of(rust, name));
        }
        builder.insert_record(0, ["C", "Rust", "Rust - C", "Function"]);
        let mut table = builder.build();
        table.with(Style::psql());
        table.modify(Columns::new(..3), Alignment::right());
        trimmed(&table)
    }
}

/// Instructions, by the function that they are of.
type Functions = BTreeMap<String, u64>;

/// How often each instruction was executed, by its address.
type Times = HashMap<u64, u64>;

/// Reads what the plugin wrote: one time each of the operation.
fn times(text: &str) -> Result<Vec<Times>> {
    let mut all = Vec::new();
    let mut times = Times::new();
    for line in text.lines() {
        if let Some((address, number)) = line.split_once(' ') {
            times.insert(u64::from_str_radix(address, 16)?, number.parse()?);
        } else {
            all.push(std::mem::take(&mut times));
        }
    }
    Ok(all)
}

/// The one that is as dear as the figure of an exit says.
fn typical(times: &[Times]) -> &Times {
    let mut sorted: Vec<_> = times.iter().collect();
    sorted.sort_by_key(|times| times.values().sum::<u64>());
    sorted[((times.len() - 1) as f64 * ONE_BY_ONE.quantile) as usize]
}

/// The kernel's symbols and the modules', in the order of their addresses.
struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// Reads `/proc/kallsyms`.
    fn read(text: &str) -> Self {
        let symbol = |line: &str| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let code = matches!(words.next()?, "t" | "T" | "w" | "W");
            let name = format!("{:#}", demangle(words.next()?));
            let module = words.next().map(|module| format!(" {module}"));
            code.then(|| (address, name + &module.unwrap_or_default()))
        };
        Self(text.lines().filter_map(symbol).collect())
    }

    fn functions(&self, times: &Times) -> Functions {
        let mut functions = Functions::new();
        for (address, number) in times {
            let before = self.0.range(..=address).next_back();
            let name = match before {
                _ if *address < KERNEL => "(user space)",
                Some((_, name)) => name,
                None => "(unknown)",
            };
            *functions.entry(name.to_owned()).or_default() += number;
        }
        functions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_belong_to_the_function_before_them() {
        let symbols = Symbols::read(
            "ffffffff81000000 T first\nffffffff81000010 t second\nffffffff81000014 d data\n\
             ffffffffc0000000 t _RNvC4ours4doit\t[ours]\n",
        );
        let times = Times::from([
            (0x1000, 7),
            (0xffff_ffff_8000_0000, 1),
            (0xffff_ffff_8100_000f, 2),
            (0xffff_ffff_8100_0010, 3),
            (0xffff_ffff_8100_0018, 4),
            (0xffff_ffff_c000_0001, 5),
        ]);
        let expected = [
            ("(unknown)", 1),
            ("(user space)", 7),
            ("first", 2),
            ("ours::doit [ours]", 5),
            ("second", 7),
        ];
        let expected = expected.map(|(name, number)| (name.to_owned(), number));
        assert_eq!(symbols.functions(&times), Functions::from(expected));
    }

    #[test]
    fn what_the_plugin_wrote_is_read() {
        let all = times("10 1\nff 2\n\n10 3\n\n").unwrap();
        assert_eq!(
            all,
            [Times::from([(16, 1), (255, 2)]), Times::from([(16, 3)])]
        );
        assert!(times("x y\n").is_err());
    }

    #[test]
    fn the_typical_one_is_among_the_cheap_ones() {
        let all: Vec<_> = (0..=10)
            .rev()
            .map(|cost| Times::from([(0, cost)]))
            .collect();
        assert_eq!(typical(&all), &Times::from([(0, 2)]));
    }
}
