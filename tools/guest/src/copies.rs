// SPDX-License-Identifier: GPL-2.0
//! The project's own programs, as a guest has them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};

/// Copies the programs in one folder into another, which is made.
///
/// A guest keeps what it has read of a file. If a program is built anew while the guest runs, the
/// guest has parts of both, and what it starts from then on crashes. Nobody builds the copies.
pub(crate) fn make(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::io::Result<()> {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_built_anew_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir_all(from.join("deps")).unwrap();
        let program = from.join("program");
        fs::write(&program, "old").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(from.join("program.d"), "").unwrap();
        make(&from, &to).unwrap();
        fs::write(&program, "new").unwrap();
        let copy = to.join("program");
        assert_eq!(fs::read_to_string(&copy).unwrap(), "old");
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    }
}
