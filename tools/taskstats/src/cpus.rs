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

/// The CPUs of `/sys/devices/system/cpu/NAME`.
pub(crate) fn named(name: &str) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/sys/devices/system/cpu/{name}"))?;
    Ok(parse(&text))
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
    }
}
