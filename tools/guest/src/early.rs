// SPDX-License-Identifier: GPL-2.0
//! A faster start of the guest's user space.
//!
//! virtme-ng's init runs `systemd-tmpfiles` and udev, which together take longer than everything
//! else under emulation. A guest that runs one command needs neither: what udev is there for, the
//! names of the ports that carry the command's output, the guest's script finds by itself.
//!
//! Both are kept out by one program in a directory that comes first in init's `PATH`: it takes the
//! place of `systemd-tmpfiles`, and empties `/usr/lib/systemd`, where init looks for udev next. An
//! init that calls neither is none the worse for it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::{Context, Result};

const TMPFILES: &str = "\
#!/bin/sh
exec /bin/mount -t tmpfs no-udev /usr/lib/systemd
";

/// Writes the programs for the start into a directory.
pub(crate) fn write(directory: &Path) -> Result<()> {
    let path = directory.join("systemd-tmpfiles");
    let made = fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, TMPFILES))
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
    made.with_context(|| format!("cannot make {}", path.display()))
}
