// SPDX-License-Identifier: GPL-2.0

//! BPF's iterator over tasks (`bpf/tasks.bpf.c`), which dumps of taskacct are measured against, in a
//! kernel that has one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use nix::{
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sys::stat::Mode,
    unistd::read,
};

use crate::operation::Operation;

/// Compiles the iterator, and returns the file that it is in.
pub(crate) fn compile(source: &Path, file: PathBuf) -> Result<PathBuf> {
    let status = Command::new("clang-19")
        .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3"])
        .arg(format!(
            "-I/usr/include/{}-linux-gnu",
            std::env::consts::ARCH
        ))
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(&file)
        .status()
        .context("clang-19")?;
    ensure!(status.success(), "{} does not compile", source.display());
    Ok(file)
}

/// What the iterator writes of a task.
const RECORD: usize = 168;
/// As much as a dump of taskacct gets at a time.
const BUFFER: usize = 32 << 10;

/// Where programs of BPF's have names.
const FILES: &str = "/sys/fs/bpf";

/// Reads all tasks.
#[derive(Debug)]
pub(crate) struct Iterator {
    path: PathBuf,
    buffer: Vec<u8>,
    /// How many tasks the last reading had.
    tasks: usize,
}

impl Iterator {
    /// Loads the iterator from this file, by bpftool.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let path = Path::new(FILES).join("tasks");
        if !path.exists() {
            mount(
                Some("bpf"),
                FILES,
                Some("bpf"),
                MsFlags::empty(),
                None::<&str>,
            )
            .context(FILES)?;
            let output = Command::new("bpftool")
                .args(["iter", "pin"])
                .args([file, &path])
                .output()
                .context("bpftool")?;
            ensure!(
                output.status.success(),
                "bpftool: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(Self {
            path,
            buffer: vec![0; BUFFER],
            tasks: 0,
        })
    }

    /// How many tasks the last reading had.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks
    }
}

impl Operation for Iterator {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            let file = open(&self.path, OFlag::O_RDONLY, Mode::empty())?;
            let mut bytes = 0;
            loop {
                match read(&file, &mut self.buffer)? {
                    0 => break,
                    size => bytes += size,
                }
            }
            self.tasks = bytes / RECORD;
        }
        Ok(())
    }

    fn tidy(&mut self, _times: u32) -> Result<()> {
        ensure!(self.tasks > 1_000, "{} tasks are read", self.tasks);
        Ok(())
    }
}
