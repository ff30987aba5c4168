// SPDX-License-Identifier: GPL-2.0

//! What the kernel's own tracing sees of a refusal.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::mount::{MsFlags, mount};
use taskstats::{Client, Options};

use crate::{context::Context, implementation::Implementation};

/// No task has this id.
const NOBODY: u32 = i32::MAX as u32;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![context.trial("tracing::a_refusal_is_traced", refusal)]
}

/// The event `netlink:netlink_extack`, on until this is dropped.
struct Event(PathBuf);

impl Event {
    fn on() -> anyhow::Result<Self> {
        let directory = Path::new("/sys/kernel/tracing");
        if !directory.join("events").exists() {
            let none = None::<&str>;
            mount(none, directory, Some("tracefs"), MsFlags::empty(), none)
                .context("mounting tracefs")?;
        }
        // With an event, the names of tasks are recorded as well: in the scheduler, whose code is
        // then changed while the other CPU runs it. An emulated CPU does not survive that always.
        fs::write(directory.join("options/record-cmd"), "0").context("options/record-cmd")?;
        let event = Self(directory.to_owned());
        event.switch("1")?;
        Ok(event)
    }

    fn switch(&self, to: &str) -> anyhow::Result<()> {
        let path = self.0.join("events/netlink/netlink_extack/enable");
        fs::write(&path, to).with_context(|| path.display().to_string())
    }

    /// Takes the lines that have been traced so far.
    fn lines(&self) -> anyhow::Result<Vec<String>> {
        let path = self.0.join("trace");
        let text = fs::read_to_string(&path).context("reading the trace")?;
        fs::write(&path, "").context("emptying the trace")?;
        let event = |line: &&str| line.contains("netlink_extack: ");
        Ok(text.lines().filter(event).map(str::to_owned).collect())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // Left on, it costs the next tests a little time.
        let _ = self.switch("0");
    }
}

/// Whoever traces `NL_SET_ERR_MSG()` sees the module's words too, whether or not the socket asked
/// for them. C has none.
fn refusal(context: &Context, _: &str) -> anyhow::Result<()> {
    for implementation in [Implementation::C, Implementation::Rust] {
        context.switch.to(implementation)?;
        let event = Event::on()?;
        for extended_ack in [false, true] {
            let mut client = Client::connect(Options {
                extended_ack,
                ..Options::default()
            })?;
            event.lines()?;
            ensure!(client.pid(NOBODY).is_err(), "answered for nobody");
            let lines = event.lines()?;
            let expected = usize::from(implementation == Implementation::Rust);
            ensure!(
                lines.len() == expected,
                "{} events under {implementation:?}: {lines:?}",
                lines.len()
            );
            ensure!(
                lines
                    .iter()
                    .all(|line| line.contains("no task has this id")),
                "{lines:?}"
            );
        }
    }
    Ok(())
}
