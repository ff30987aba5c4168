// SPDX-License-Identifier: GPL-2.0

//! The kernel's leak detector: what is allocated and no pointer in the kernel's memory leads to.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context, bail};

const CONTROL: &str = "/sys/kernel/debug/kmemleak";

/// How often an object has to be found unreferenced, one scan after the other, before it counts: a
/// pointer that just moves can be missed once.
const CONFIRMED_BY: &str = "/sys/module/kmemleak/parameters/min_unref_scans";

/// Scans that find what there is to find: one for the checksums of new objects, two that agree.
const SCANS: usize = 3;

/// An object has to be as old as `MSECS_MIN_AGE` to count, by a clock of ticks.
const AGE: Duration = Duration::from_millis(5_500);

/// The detector of a kernel with `CONFIG_DEBUG_KMEMLEAK`.
#[derive(Debug)]
pub struct Kmemleak(());

impl Kmemleak {
    /// Finds it. It is an error if the kernel has none, or if it turned itself off.
    pub fn open() -> anyhow::Result<Self> {
        if !Path::new(CONTROL).exists() {
            bail!("no {CONTROL}: this kernel cannot look for leaks");
        }
        let scans = (SCANS - 1).to_string();
        fs::write(CONFIRMED_BY, scans).with_context(|| format!("writing {CONFIRMED_BY}"))?;
        Ok(Self(()))
    }

    /// Finds what was leaked since the boot, as the kernel describes it: a paragraph for each
    /// object. Nothing, if all is well.
    pub fn find(&self) -> anyhow::Result<String> {
        thread::sleep(AGE);
        for _ in 0..SCANS {
            // Refused where the detector has turned itself off.
            fs::write(CONTROL, "scan").with_context(|| format!("writing to {CONTROL}"))?;
        }
        fs::read_to_string(CONTROL).with_context(|| format!("reading {CONTROL}"))
    }
}
