// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Which CPUs there are, as the kernel lists them: `0-3,7`.

use std::{fs, io};

/// The CPUs of a list; ranges that are none are left out.
pub(crate) fn parse(list: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// A list of these CPUs.
pub(crate) fn list(cpus: &[u32]) -> String {
    let numbers: Vec<_> = cpus.iter().map(u32::to_string).collect();
    numbers.join(",")
}

/// The CPUs of `/sys/devices/system/cpu/NAME`; where that is not mounted, those that are online.
pub(crate) fn named(name: &str) -> io::Result<Vec<u32>> {
    match fs::read_to_string(format!("/sys/devices/system/cpu/{name}")) {
        Ok(text) => Ok(parse(&text)),
        Err(_) => Ok(of_stat(&fs::read_to_string("/proc/stat")?)),
    }
}

/// The CPUs of `/proc/stat`.
fn of_stat(text: &str) -> Vec<u32> {
    let cpu = |line: &str| line.strip_prefix("cpu")?.split(' ').next()?.parse().ok();
    text.lines().filter_map(cpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse("0-3,7\n"), [0, 1, 2, 3, 7]);
        assert_eq!(parse("\n"), [0; 0]);
        assert_eq!(parse("x,2"), [2]);
        assert_eq!(list(&[0, 7]), "0,7");
        assert_eq!(of_stat("cpu  1 2\ncpu0 1 2\ncpu12 3\nintr 5\n"), [0, 12]);
    }
}
