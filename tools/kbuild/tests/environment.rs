// SPDX-License-Identifier: GPL-2.0
//! The scripts in `tools/environment` and the Makefile's options: what they refuse, and in which
//! words.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kbuild::Project;
use rustix::fs::{FlockOperation, flock};

fn top() -> PathBuf {
    Project::find().unwrap().top().to_owned()
}

/// A shell in which the scripts' common part has been read, without the caller's variables.
fn shell(script: &str, variables: &[(&str, &str)]) -> Output {
    let here = top().join("tools/environment");
    Command::new("sh")
        .args(["-euc", &format!(". \"$HERE/common.sh\"; {script}")])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HERE", here)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_cache_is_refused_where_it_would_not_work() {
    let temp = tempfile::tempdir_in(std::env::var("RUST_TASKSTATS_CACHE").unwrap()).unwrap();
    let plain = temp.path().join("plain");
    let plain = plain.to_str().unwrap();
    for (variables, expected) in [
        (
            &[("RUST_TASKSTATS_CACHE", "/srv/with space")][..],
            "with space",
        ),
        (&[("RUST_TASKSTATS_CACHE", "/var/cache/x")], "/var/cache/x"),
        (&[("HOME", "/home/with:colon")], "with:colon"),
        (&[], "HOME is not set"),
    ] {
        let refused = shell("find_places", variables);
        assert!(!refused.status.success(), "{variables:?}");
        let said = said(&refused);
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let made = shell("find_places", &[("RUST_TASKSTATS_CACHE", plain)]);
    assert!(made.status.success(), "{}", said(&made));
    assert!(Path::new(plain).join("CACHEDIR.TAG").is_file());
}

#[test]
fn only_a_marked_and_unused_cache_is_removed() {
    let temp = tempfile::tempdir_in(std::env::var("RUST_TASKSTATS_CACHE").unwrap()).unwrap();
    let cache = temp.path().join("cache");
    let remove = || {
        Command::new(top().join("tools/environment/remove"))
            .env("RUST_TASKSTATS_CACHE", &cache)
            .output()
            .unwrap()
    };
    fs::create_dir(&cache).unwrap();
    let refused = remove();
    assert!(
        said(&refused).contains("CACHEDIR.TAG"),
        "{}",
        said(&refused)
    );
    let path = cache.to_str().unwrap();
    shell("find_places", &[("RUST_TASKSTATS_CACHE", path)]);
    let lock = File::create(cache.join("kernel.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let refused = remove();
    assert!(said(&refused).contains("in use"), "{}", said(&refused));
    assert!(cache.exists());
    drop(lock);
    assert!(remove().status.success());
    assert!(!cache.exists());
}

#[test]
fn options_come_from_the_command_line_only() {
    let make = |arguments: &[&str]| {
        let output = Command::new("make")
            .args(["--no-print-directory", "--dry-run", "run", "module"])
            .args(arguments)
            .current_dir(top())
            .env_remove("MAKEFLAGS")
            .envs([
                ("KDIR", "/exported"),
                ("SOURCE", "/exported"),
                ("KERNEL", "exported"),
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!make(&[]).contains("exported"));
    assert!(make(&["KDIR=/named"]).contains("--kdir '/named'"));
}

#[test]
fn work_trees_do_not_share_programs() {
    let target = |here: &str| {
        let script = format!("TREE={here}; target_directory");
        let output = shell(&script, &[("cache", "/c")]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(target("/one").starts_with("/c/target/"));
    assert_eq!(target("/one"), target("/one"));
    assert_ne!(target("/one"), target("/two"));
}

#[test]
fn the_network_is_configured_as_on_the_machine() {
    let variables = [
        ("https_proxy", "p"),
        ("CARGO_HTTP_PROXY", "p"),
        ("RUSTFLAGS", "-x"),
        ("CC", "x"),
    ];
    let output = shell("network_variables", &variables);
    let mut names: Vec<&str> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["CARGO_HTTP_PROXY", "https_proxy"]);
}
