// SPDX-License-Identifier: GPL-2.0

//! The other way to the same facts: the files in `/proc`.

use std::ffi::CString;

use anyhow::{Result, ensure};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::read,
};

use crate::operation::Operation;

/// What tells most of what a record tells.
const FILES: [&str; 4] = ["stat", "io", "status", "schedstat"];

/// The files of one task.
#[derive(Debug)]
pub(crate) struct ProcFiles {
    paths: Vec<CString>,
    buffer: [u8; 4096],
}

impl ProcFiles {
    /// Those of the task with that directory in `/proc`.
    pub(crate) fn of(directory: &str) -> Result<Self> {
        let paths = FILES
            .iter()
            .map(|file| Ok(CString::new(format!("/proc/{directory}/{file}"))?))
            .collect::<Result<_>>()?;
        Ok(Self {
            paths,
            buffer: [0; 4096],
        })
    }

    /// Opens each, reads it and closes it.
    pub(crate) fn read(&mut self) -> Result<()> {
        for path in &self.paths {
            let file = open(path.as_c_str(), OFlag::O_RDONLY, Mode::empty())?;
            let size = read(&file, &mut self.buffer)?;
            ensure!(size > 0 && size < self.buffer.len(), "{size} bytes");
        }
        Ok(())
    }
}

impl Operation for ProcFiles {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            self.read()?;
        }
        Ok(())
    }
}
