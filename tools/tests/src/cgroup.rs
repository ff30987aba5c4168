// SPDX-License-Identifier: GPL-2.0

//! Control groups of version 1 to ask for, gone once dropped.

use std::{
    fs::{self, OpenOptions},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

use anyhow::Context;
use nix::{
    libc,
    mount::{MsFlags, mount, umount},
};
use tempfile::TempDir;

/// A mounted hierarchy.
#[derive(Debug)]
pub struct Hierarchy {
    root: TempDir,
}

impl Hierarchy {
    /// Mounts the hierarchy of these options: a controller, or `none,name=NAME`.
    pub fn mount(options: &str) -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let none = MsFlags::empty();
        mount(
            Some("cgroup"),
            root.path(),
            Some("cgroup"),
            none,
            Some(options),
        )
        .with_context(|| format!("mounting the cgroup hierarchy {options}"))?;
        Ok(Self { root })
    }

    /// Its root group's directory.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Makes a group below the root.
    pub fn group(&self, name: &str) -> anyhow::Result<Group> {
        let path = self.root.path().join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Group {
            root: self.root.path().to_owned(),
            path,
        })
    }
}

impl Drop for Hierarchy {
    fn drop(&mut self) {
        // Best effort: the guest ends with the tests.
        let _ = umount(self.root.path());
    }
}

/// A group of a hierarchy.
#[derive(Debug)]
pub struct Group {
    root: PathBuf,
    path: PathBuf,
}

impl Group {
    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into it.
    pub fn add(&self, pid: u32) -> anyhow::Result<()> {
        let path = self.path.join("cgroup.procs");
        fs::write(&path, pid.to_string()).with_context(|| format!("{pid} to {}", path.display()))
    }

    /// Its directory, opened, to be inherited by children.
    pub fn inheritable(&self) -> anyhow::Result<Inheritable> {
        Inheritable::open(&self.path, 0)
    }

    fn empty(&self) -> anyhow::Result<()> {
        for pid in fs::read_to_string(self.path.join("cgroup.procs"))?.lines() {
            // A zombie cannot be moved, and is no obstacle.
            let _ = fs::write(self.root.join("cgroup.procs"), pid);
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Best effort, as above; it may have been removed already.
        let _ = self.empty();
        let _ = fs::remove_dir(&self.path);
    }
}

/// A file that is open here and in every child that is started meanwhile.
#[derive(Debug)]
pub struct Inheritable(OwnedFd);

impl Inheritable {
    /// Opens a file for reading with additional flags.
    pub fn open(path: &Path, flags: i32) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        // SAFETY: Takes no pointer. The copy is not closed on exec.
        let copy = unsafe { libc::dup(file.as_fd().as_raw_fd()) };
        let copy = nix::errno::Errno::result(copy)?;
        // SAFETY: Just opened, and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(copy) }))
    }

    /// Its number, here and in the children.
    pub fn number(&self) -> u32 {
        self.0.as_raw_fd() as u32
    }
}
