// SPDX-License-Identifier: GPL-2.0
//! Whether hardware virtualisation works here: it is used only where a guest has been seen to
//! survive it.
//!
//! That `/dev/kvm` opens says little: inside of another virtual machine, a guest may die at its
//! first instructions.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use kbuild::Cache;

use crate::{
    guest::Guest,
    outcome::{End, Outcome},
    parts::Parts,
    qemu::Accelerator,
};

/// What QEMU says when KVM gives a guest up; the guest then stands still.
pub(crate) const FAILURE: &str = "KVM internal error";
/// What the probe has to print.
const TOKEN: &str = "the guest lives";
/// With KVM, a guest boots in a second or two.
const LIMIT: Duration = Duration::from_secs(15);

/// Whether KVM can run the image. Probed once for each image while this machine is up; but a probe
/// that was merely too slow says nothing, so the next guest probes again.
pub(crate) fn works(cache: &Cache, parts: &Parts) -> Result<bool> {
    if File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(false);
    }
    let file = verdict_file(cache, &parts.image)?;
    match fs::read_to_string(&file).as_deref().map(str::trim) {
        Ok("works") => return Ok(true),
        Ok("fails") => return Ok(false),
        _ => {}
    }
    let verdict = probe(parts)?;
    let text = match verdict {
        Verdict::Works => "works\n",
        Verdict::Fails => "fails\n",
        Verdict::TooSlow => return Ok(false),
    };
    let folder = file.parent().context("the verdict has no directory")?;
    forget_other_boots(folder);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(verdict == Verdict::Works)
}

/// What a probe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Works,
    Fails,
    TooSlow,
}

impl Verdict {
    fn of(outcome: &Outcome) -> Self {
        if outcome.success() && outcome.stdout == format!("{TOKEN}\n").into_bytes() {
            Self::Works
        } else if matches!(outcome.end, End::TimeLimit(_)) {
            Self::TooSlow
        } else {
            Self::Fails
        }
    }
}

fn probe(parts: &Parts) -> Result<Verdict> {
    let parts = Parts {
        module: None,
        ..parts.clone()
    };
    let log = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    let guest = Guest::builder()
        .command(["echo", TOKEN])
        .directory("/")
        .time_limit(LIMIT)
        .end_at(FAILURE);
    let outcome = guest.boot(&parts, log.path(), Accelerator::Kvm)?;
    Ok(Verdict::of(&outcome))
}

/// Where the verdict on an image is kept: `kvm/BOOT/IMAGE` in the cache.
fn verdict_file(cache: &Cache, image: &Path) -> Result<PathBuf> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("cannot tell one boot from another")?;
    let state = fs::metadata(image).with_context(|| format!("cannot read {}", image.display()))?;
    // Any collision or change of the hash costs a probe at most: an image has one path, which holds
    // its key.
    let mut hasher = DefaultHasher::new();
    (image, state.len(), state.modified().ok()).hash(&mut hasher);
    Ok(cache
        .root()
        .join("kvm")
        .join(boot.trim())
        .join(format!("{:016x}", hasher.finish())))
}

/// Removes the verdicts of the machine's earlier boots.
fn forget_other_boots(folder: &Path) {
    let boots = folder.parent().and_then(|parent| fs::read_dir(parent).ok());
    for entry in boots.into_iter().flatten().flatten() {
        if entry.path() != folder {
            // Another run may be removing it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Log;

    #[test]
    fn a_slow_probe_is_no_failure() {
        let verdict = |end, stdout: &str| {
            Verdict::of(&Outcome::new(
                end,
                stdout.into(),
                Vec::new(),
                Log::new("log", ""),
            ))
        };
        let printed = format!("{TOKEN}\n");
        assert_eq!(verdict(End::Command(0), &printed), Verdict::Works);
        assert_eq!(verdict(End::Command(0), ""), Verdict::Fails);
        assert_eq!(verdict(End::Crash("KVM".into()), ""), Verdict::Fails);
        assert_eq!(verdict(End::TimeLimit(LIMIT), ""), Verdict::TooSlow);
    }
}
