// SPDX-License-Identifier: GPL-2.0

//! How much of an object file gets into memory, and stays.

use std::{fs, ops::AddAssign, path::Path};

use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionFlags, elf};

/// Bytes by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Code.
    pub(crate) text: u64,
    /// What is only read: constants, tables of the kernel's, unwind information.
    pub(crate) constants: u64,
    /// What is written to.
    pub(crate) data: u64,
}

impl AddAssign for Sizes {
    fn add_assign(&mut self, other: Self) {
        self.text += other.text;
        self.constants += other.constants;
        self.data += other.data;
    }
}

/// Those of some object files together.
pub(crate) fn of(files: &[&Path]) -> Result<Sizes> {
    let mut sum = Sizes::default();
    for path in files {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        sum += sizes(&bytes).with_context(|| path.display().to_string())?;
    }
    Ok(sum)
}

fn sizes(bytes: &[u8]) -> Result<Sizes> {
    let mut sum = Sizes::default();
    for section in object::File::parse(bytes)?.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        sum += classify(section.name()?, sh_flags, section.size());
    }
    Ok(sum)
}

fn classify(name: &str, flags: u64, size: u64) -> Sizes {
    let has = |flag: u32| flags & u64::from(flag) != 0;
    let mut sizes = Sizes::default();
    // What is needed to start only is freed after it.
    if !has(elf::SHF_ALLOC) || name.starts_with(".init") || name.starts_with(".modinfo") {
        return sizes;
    }
    if has(elf::SHF_EXECINSTR) {
        sizes.text = size;
    } else if has(elf::SHF_WRITE) {
        sizes.data = size;
    } else {
        sizes.constants = size;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_told_apart_by_their_flags() {
        let (alloc, write, code) = (
            u64::from(elf::SHF_ALLOC),
            u64::from(elf::SHF_WRITE),
            u64::from(elf::SHF_EXECINSTR),
        );
        let mut sum = Sizes::default();
        sum += classify(".text", alloc | code, 1);
        sum += classify(".exit.text", alloc | code, 2);
        sum += classify(".init.text", alloc | code, 4);
        sum += classify(".bss", alloc | write, 8);
        sum += classify(".rodata", alloc, 16);
        sum += classify(".debug_info", 0, 32);
        sum += classify(".modinfo", alloc, 64);
        assert_eq!(
            sum,
            Sizes {
                text: 3,
                constants: 16,
                data: 8
            }
        );
    }

    #[test]
    fn this_program_has_text() {
        let own = std::env::current_exe().unwrap();
        let sizes = of(&[&own, &own]).unwrap();
        assert_eq!(sizes.text % 2, 0);
        assert!(sizes.text > 1 << 16 && sizes.constants > 0 && sizes.data > 0);
        assert!(of(&[Path::new("/nonexistent")]).is_err());
        assert!(super::sizes(b"no object").is_err());
    }
}
