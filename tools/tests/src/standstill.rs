// SPDX-License-Identifier: GPL-2.0

//! Whether a task stands still, so that nothing that is counted of it changes any more.

use std::{fs, io};

use anyhow::Context;

use crate::peer::wait_until;

/// Waits until a thread is in one of these states (see `proc_pid_stat(5)`) and has left its CPU.
pub fn wait_for(tid: u32, states: &[char]) -> anyhow::Result<()> {
    wait_until(&format!("task {tid} to stand still"), || {
        stands_still(tid, states)
    })
}

/// Whether a thread is in one of these states and has left its CPU.
///
/// A task enters its new state before it has left its CPU, and what it does until then still
/// counts. When `syscall` is read, the kernel waits for the task to leave its CPU
/// (`wait_task_inactive()`), and says `running` of one that did not stay off it.
pub fn stands_still(tid: u32, states: &[char]) -> anyhow::Result<bool> {
    let directory = format!("/proc/{tid}/task/{tid}");
    // The name in it need not be UTF-8.
    let stat = fs::read(format!("{directory}/stat"))
        .with_context(|| format!("reading {directory}/stat"))?;
    if !state(&String::from_utf8_lossy(&stat)).is_some_and(|state| states.contains(&state)) {
        return Ok(false);
    }
    let syscall = fs::read_to_string(format!("{directory}/syscall"))
        .with_context(|| format!("reading {directory}/syscall"))?;
    Ok(syscall.trim_end() != "running")
}

/// The threads of a process that have not been released.
pub fn threads(pid: u32) -> io::Result<Vec<u32>> {
    let mut tids = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        tids.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|it| it.parse::<u32>().ok()),
        );
    }
    Ok(tids)
}

/// The state in a line of `stat`: what follows the name, which can contain anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_state_follows_the_name() {
        assert_eq!(state("7 (a) R (b)) S 1 7"), Some('S'));
        assert_eq!(state("7"), None);
    }

    #[test]
    fn a_task_that_runs_does_not_stand_still() {
        let tid = nix::unistd::gettid().as_raw() as u32;
        assert!(!stands_still(tid, &['S', 'T', 'Z']).unwrap());
        assert!(threads(std::process::id()).unwrap().contains(&tid));
    }

    #[test]
    fn a_task_that_waits_stands_still() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let waited = wait_for(child.id(), &['S']);
        drop(child.stdin.take());
        child.wait().unwrap();
        waited.unwrap();
    }
}
