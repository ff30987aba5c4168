// SPDX-License-Identifier: GPL-2.0

//! How many objects the kernel's slab caches hold: what a leak makes grow.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, ensure};

/// Objects in use, by the cache's name.
pub type Counts = BTreeMap<String, i64>;

/// Counts all caches, after asking each to give back what it only keeps at hand.
pub fn counts() -> anyhow::Result<Counts> {
    shrink()?;
    let table = fs::read_to_string("/proc/slabinfo").context("reading /proc/slabinfo")?;
    let counts = parse(&table)?;
    ensure!(
        counts.contains_key("task_struct"),
        "no task_struct in /proc/slabinfo"
    );
    Ok(counts)
}

fn shrink() -> anyhow::Result<()> {
    for cache in fs::read_dir("/sys/kernel/slab").context("reading /sys/kernel/slab")? {
        let path = cache?.path().join("shrink");
        fs::write(&path, "1").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
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
pub fn growth(before: &Counts, after: &Counts, allowed: i64) -> Vec<(String, i64)> {
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
