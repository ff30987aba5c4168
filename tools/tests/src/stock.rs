// SPDX-License-Identifier: GPL-2.0

//! The stock clients of the kernel's tree, unmodified.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use process_control::{ChildExt, Control};

use crate::peer::limit;

/// The folder with `getdelays`, `procacct` and `delaytop`.
#[derive(Clone, Debug)]
pub struct StockClients(PathBuf);

/// What a client printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Its exit status; `None` if a signal killed it.
    pub status: Option<i64>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl StockClients {
    /// The clients in that folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// A client's file.
    pub fn path(&self, client: &str) -> PathBuf {
        self.0.join(client)
    }

    /// Runs a client to its end.
    pub fn run(&self, client: &str, arguments: &[&str]) -> anyhow::Result<Printed> {
        let path = self.path(client);
        let output = Command::new(&path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", path.display()))?
            .controlled_with_output()
            .time_limit(limit())
            .terminate_for_timeout()
            .wait()?;
        let Some(output) = output else {
            bail!("{client} {arguments:?} did not end within {:?}", limit());
        };
        Ok(Printed {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// `getdelays` for one task. It ends with 0 even when refused, so that is told from its output.
    pub fn getdelays(&self, flags: &[&str], pid: u32) -> anyhow::Result<Printed> {
        let pid = pid.to_string();
        let mut arguments = flags.to_vec();
        arguments.extend(["-p", &pid]);
        let printed = self.run("getdelays", &arguments)?;
        let refused = printed.status != Some(0) || !printed.stderr.is_empty();
        if refused || (flags.contains(&"-d") && !printed.has_delays_of(&pid)) {
            bail!("getdelays {arguments:?} failed: {printed:?}");
        }
        Ok(printed)
    }
}

impl Printed {
    fn has_delays_of(&self, pid: &str) -> bool {
        let mut lines = self.stdout.lines();
        lines.any(|line| line == format!("PID\t{pid}")) && lines.any(|line| line.starts_with("IRQ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_from_none() {
        let printed = |stdout: &str| Printed {
            status: Some(0),
            stdout: stdout.into(),
            stderr: String::new(),
        };
        assert!(printed("PID\t12\n\n\nCPU  count\nIRQ   count\n").has_delays_of("12"));
        assert!(!printed("PID\t12\n").has_delays_of("12"));
        assert!(!printed("PID\t123\nIRQ  count\n").has_delays_of("12"));
        assert!(!printed("print delayacct stats ON\n").has_delays_of("12"));
    }
}
