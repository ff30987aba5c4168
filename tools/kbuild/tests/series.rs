// SPDX-License-Identifier: GPL-2.0
//! What whoever is sent the patches sees first: that they belong together.

use std::fs;

use kbuild::Project;

/// The most lines that the seam and its exports may add to the kernel.
const LIMIT: usize = 150;

/// Patches that are neither: a fix that stands on its own, and what the tests need.
const BESIDE: [&str; 2] = ["wait for closing sockets", "let the oracle call"];

struct Patch {
    subject: String,
    from: String,
    added: usize,
}

/// The value of a header, which may go on in lines that are indented.
fn header(text: &str, name: &str) -> String {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("{name}: ")));
    let first = lines.next().unwrap_or_default();
    let rest = lines.take_while(|line| line.starts_with(' '));
    let whole: String = std::iter::once(first).chain(rest).collect();
    whole
        .strip_prefix(&format!("{name}: "))
        .unwrap_or_default()
        .to_owned()
}

fn series() -> Vec<Patch> {
    let folder = Project::find().unwrap().top().join("patches/linux-7.3");
    let list = fs::read_to_string(folder.join("series")).unwrap();
    std::iter::once("0000-cover-letter.patch")
        .chain(list.lines())
        .map(|name| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let is_added = |line: &&str| line.starts_with('+') && !line.starts_with("+++");
            Patch {
                subject: header(&text, "Subject"),
                from: header(&text, "From"),
                added: text.lines().filter(is_added).count(),
            }
        })
        .collect()
}

#[test]
fn patches_are_numbered_and_from_one_sender() {
    let series = series();
    let last = series.len() - 1;
    assert!(last > 0);
    for (number, patch) in series.iter().enumerate() {
        let expected = format!("[PATCH {number}/{last}] ");
        assert!(patch.subject.starts_with(&expected), "{}", patch.subject);
        assert_eq!(patch.from, series[0].from, "{}", patch.subject);
    }
    let sender = &series[0].from;
    assert!(
        sender.contains('@') && !sender.contains("localhost"),
        "{sender}"
    );
}

#[test]
fn the_seam_is_small() {
    let series = series();
    for name in BESIDE {
        let found = series.iter().filter(|patch| patch.subject.contains(name));
        assert_eq!(found.count(), 1, "{name}");
    }
    let is_beside = |patch: &&Patch| BESIDE.iter().any(|name| patch.subject.contains(name));
    let seam = series.iter().filter(|patch| !is_beside(patch));
    let added: usize = seam.map(|patch| patch.added).sum();
    assert!(added > 0 && added <= LIMIT, "{added} lines are added");
}
