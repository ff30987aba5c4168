// SPDX-License-Identifier: GPL-2.0

//! How many objects the kernel's slab caches hold: what a leak makes grow.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek},
    os::unix::fs::FileExt,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use crate::{kernel_config::is_debug, peer::limit};

/// Objects in use, by the cache's name.
pub type Counts = BTreeMap<String, i64>;

/// The caches.
///
/// Their files stay open: to open them takes an object each, which stays in use for some seconds
/// after the file was closed, as RCU holds it back.
#[derive(Debug)]
pub struct Caches {
    table: File,
    shrink: Vec<File>,
}

impl Caches {
    /// Opens the files of all caches that there are.
    pub fn open() -> anyhow::Result<Self> {
        let table = File::open("/proc/slabinfo").context("opening /proc/slabinfo")?;
        let mut shrink = Vec::new();
        for cache in fs::read_dir("/sys/kernel/slab").context("reading /sys/kernel/slab")? {
            let path = cache?.path().join("shrink");
            let file = File::options().write(true).open(&path);
            shrink.push(file.with_context(|| format!("opening {}", path.display()))?);
        }
        Ok(Self { table, shrink })
    }

    /// Counts, after asking each cache to free the slabs that it keeps for later.
    pub fn counts(&mut self) -> anyhow::Result<Counts> {
        for cache in &self.shrink {
            cache.write_all_at(b"1", 0).context("shrinking a cache")?;
        }
        let mut text = String::new();
        self.table.rewind()?;
        self.table
            .read_to_string(&mut text)
            .context("reading /proc/slabinfo")?;
        let counts = parse(&text)?;
        ensure!(
            counts.contains_key("task_struct"),
            "no task_struct in /proc/slabinfo"
        );
        Ok(counts)
    }

    /// Whether counts tell anything on this kernel. On the debug kernel they do not: KASAN holds
    /// back what is freed. There kmemleak looks for what is not, after the last test.
    pub fn tell() -> bool {
        !is_debug()
    }

    /// Does something twice, of which each cache may keep `allowed` objects. The first time fills
    /// what the kernel keeps for good; where counts tell nothing, it is the only one.
    pub fn are_back_after(
        allowed: i64,
        mut act: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        act()?;
        if !Self::tell() {
            return Ok(());
        }
        let mut caches = Self::open()?;
        let before = caches.counts()?;
        act()?;
        caches.are_back(&before, allowed)
    }

    /// Fails unless each cache is back at no more than `allowed` objects more than before, at once
    /// or soon: what RCU still holds back goes within seconds.
    fn are_back(&mut self, before: &Counts, allowed: i64) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let grown = growth(before, &self.counts()?, allowed);
            if grown.is_empty() {
                return Ok(());
            }
            ensure!(started.elapsed() < limit(), "caches have grown: {grown:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

fn parse(table: &str) -> anyhow::Result<Counts> {
    table
        .lines()
        .skip(2)
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().context("no name")?;
            let active = words.next().context("no count")?.parse()?;
            Ok((name.to_owned(), active))
        })
        .collect()
}

/// The caches that grew by more than `allowed` objects, and by how many.
fn growth(before: &Counts, after: &Counts, allowed: i64) -> Vec<(String, i64)> {
    after
        .iter()
        .map(|(name, count)| (name.clone(), count - before.get(name).unwrap_or(&0)))
        .filter(|(_, grown)| *grown > allowed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "slabinfo - version: 2.1\n# name <active_objs> <num_objs>\n\
        taskstats 23 46 688 23 4 : tunables 0 0 0 : slabdata 2 2 0\n\
        task_struct 100 120 5000 6 8 : tunables 0 0 0 : slabdata 20 20 0\n";

    #[test]
    fn growth_is_seen() {
        let before = parse(TABLE).unwrap();
        let mut after = before.clone();
        assert_eq!(growth(&before, &after, 0), []);
        after.insert("taskstats".into(), 73);
        after.insert("new".into(), 51);
        assert_eq!(growth(&before, &after, 50), [("new".into(), 51)]);
        assert_eq!(growth(&before, &after, 49).len(), 2);
    }
}
