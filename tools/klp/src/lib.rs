// SPDX-License-Identifier: GPL-2.0
//! Symbols of the kernel that it does not export, for a module that livepatch loads.
//!
//! Livepatch resolves such symbols when it loads the module, so that what refers to them refers to
//! them directly, as within the kernel. It wants them under names of its own, and what refers to
//! them apart from the rest, as `Documentation/livepatch/module-elf-format.rst` of the kernel
//! describes it. No linker makes that; this does it last.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use object::{
    Endianness,
    build::elf::{Builder, Relocation, SectionData, SectionId, SymbolId},
    elf::{self, Sym64},
    read::elf::ElfFile64,
};

/// Marks a section that livepatch applies (`include/uapi/linux/elf.h`).
const SHF_RELA_LIVEPATCH: u64 = 0x0010_0000;

/// The section index of a symbol that livepatch resolves (`include/uapi/linux/elf.h`).
const SHN_LIVEPATCH: u16 = 0xff20;

const NO_MODULE: &str = "no object file of 64 bits";

/// The names in a list of symbols in the format of `Module.symvers`, which `modpost` reads as well.
pub fn names(symvers: &str) -> Result<BTreeSet<String>> {
    symvers
        .lines()
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [_, name, "vmlinux", ..] => Ok(name.to_owned()),
            _ => bail!("not a symbol of the kernel: {line:?}"),
        })
        .collect()
}

/// Whether a module has symbols that livepatch resolves.
pub fn is_converted(module: &[u8]) -> Result<bool> {
    // Not with the builder: it takes relocations that are loaded for a dynamic linker's.
    let elf = ElfFile64::<Endianness>::parse(module).context(NO_MODULE)?;
    let is_livepatchs =
        |symbol: &Sym64<Endianness>| symbol.st_shndx.get(elf.endian()) == SHN_LIVEPATCH;
    Ok(elf.elf_symbol_table().iter().any(is_livepatchs))
}

/// Turns the symbols of these names into livepatch's, and returns the new module.
///
/// Fails where they are so already, and where the module does not refer to one of them, so that the
/// list has no more than it needs.
pub fn convert(module: &[u8], names: &BTreeSet<String>) -> Result<Vec<u8>> {
    ensure!(
        !is_converted(module)?,
        "livepatch resolves its symbols already"
    );
    let mut elf = Builder::read64(module).context(NO_MODULE)?;
    let symbols = take_symbols(&mut elf, names)?;
    let moved = take_relocations(&mut elf, &symbols);
    for (target, relocations) in moved {
        add_section(&mut elf, target, relocations)?;
    }
    let mut converted = Vec::new();
    elf.write(&mut converted)
        .context("cannot write the module")?;
    Ok(converted)
}

/// Renames the symbols and marks them.
fn take_symbols(elf: &mut Builder<'_>, names: &BTreeSet<String>) -> Result<Vec<SymbolId>> {
    let mut found = BTreeMap::new();
    for symbol in &mut elf.symbols {
        let is_undefined = symbol.section.is_none() && symbol.st_shndx == elf::SHN_UNDEF;
        let name = String::from_utf8_lossy(symbol.name.as_slice()).into_owned();
        if is_undefined && names.contains(&name) {
            symbol.name = format!(".klp.sym.vmlinux.{name},0").into_bytes().into();
            symbol.st_shndx = SHN_LIVEPATCH;
            found.insert(name, symbol.id());
        }
    }
    let unused: Vec<_> = names
        .iter()
        .filter(|name| !found.contains_key(*name))
        .map(String::as_str)
        .collect();
    ensure!(
        unused.is_empty(),
        "the module does not refer to {}",
        unused.join(", ")
    );
    Ok(found.into_values().collect())
}

/// Takes what refers to the symbols out of the sections that are loaded; by the section that it
/// changes.
fn take_relocations(
    elf: &mut Builder<'_>,
    symbols: &[SymbolId],
) -> Vec<(SectionId, Vec<Relocation>)> {
    let loaded: Vec<_> = elf
        .sections
        .iter()
        .filter(|section| section.is_alloc())
        .map(|section| section.id())
        .collect();
    let mut moved = Vec::new();
    for section in &mut elf.sections {
        let Some(target) = section.sh_info_section.filter(|id| loaded.contains(id)) else {
            continue;
        };
        if let SectionData::Relocation(relocations) = &mut section.data {
            let is_ours =
                |one: &Relocation| one.symbol.is_some_and(|symbol| symbols.contains(&symbol));
            let ours: Vec<_> = relocations.iter().copied().filter(is_ours).collect();
            relocations.retain(|one| !is_ours(one));
            if !ours.is_empty() {
                moved.push((target, ours));
            }
        }
    }
    moved
}

/// Adds the section from which livepatch changes `target`.
fn add_section(
    elf: &mut Builder<'_>,
    target: SectionId,
    relocations: Vec<Relocation>,
) -> Result<()> {
    let symbols = elf
        .sections
        .iter()
        .find(|section| matches!(section.data, SectionData::Symbol))
        .context("the module has no symbols")?
        .id();
    let name = [
        b".klp.rela.vmlinux.".as_slice(),
        elf.sections.get(target).name.as_slice(),
    ]
    .concat();
    let section = elf.sections.add();
    section.name = name.into();
    section.sh_type = elf::SHT_RELA;
    section.sh_flags =
        u64::from(elf::SHF_ALLOC) | u64::from(elf::SHF_INFO_LINK) | SHF_RELA_LIVEPATCH;
    section.sh_link_section = Some(symbols);
    section.sh_info_section = Some(target);
    section.sh_addralign = 8;
    section.sh_entsize = 24;
    section.data = SectionData::Relocation(relocations);
    Ok(())
}

#[cfg(test)]
mod tests {
    use object::{
        Architecture, BinaryFormat, Object as _, ObjectSection as _, ObjectSymbol as _,
        RelocationFlags, RelocationTarget, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
        write::{Object, Relocation, StandardSection, Symbol, SymbolSection},
    };

    use super::*;

    const LIST: &str = "0x0\twanted\tvmlinux\tEXPORT_SYMBOL_GPL\t\n";

    /// A module whose code calls `wanted`, `exported` and `wanted` again, and whose debugging
    /// information names `wanted`.
    fn module() -> Vec<u8> {
        let mut module = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let mut undefined = |name: &str| {
            module.add_symbol(Symbol {
                name: name.into(),
                value: 0,
                size: 0,
                kind: SymbolKind::Unknown,
                scope: SymbolScope::Unknown,
                weak: false,
                section: SymbolSection::Undefined,
                flags: SymbolFlags::None,
            })
        };
        let (wanted, exported) = (undefined("wanted"), undefined("exported"));
        let text = module.section_id(StandardSection::Text);
        module.append_section_data(text, &[0x90; 64], 16);
        let debug = module.add_section(vec![], b".debug_info".to_vec(), SectionKind::Debug);
        module.append_section_data(debug, &[0; 8], 1);
        for (section, offset, symbol, r_type) in [
            (text, 1, wanted, elf::R_X86_64_PLT32),
            (text, 9, exported, elf::R_X86_64_PLT32),
            (text, 17, wanted, elf::R_X86_64_PC32),
            (debug, 0, wanted, elf::R_X86_64_64),
        ] {
            let relocation = Relocation {
                offset,
                symbol,
                addend: -4,
                flags: RelocationFlags::Elf { r_type },
            };
            module.add_relocation(section, relocation).unwrap();
        }
        module.write().unwrap()
    }

    /// What relocates a section, each with its offset and the name of its symbol.
    fn relocations(module: &[u8], section: &str) -> Vec<(u64, String)> {
        let file = ElfFile64::<Endianness>::parse(module).unwrap();
        let mut found = Vec::new();
        for (offset, relocation) in file.section_by_name(section).unwrap().relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                panic!("{relocation:?}");
            };
            let symbol = file.symbol_by_index(index).unwrap();
            found.push((offset, symbol.name().unwrap().to_owned()));
        }
        found.sort();
        found
    }

    #[test]
    fn what_refers_to_the_symbols_is_livepatchs() {
        let module = module();
        assert!(!is_converted(&module).unwrap());
        let converted = convert(&module, &names(LIST).unwrap()).unwrap();
        assert!(is_converted(&converted).unwrap());

        let file = ElfFile64::<Endianness>::parse(&*converted).unwrap();
        let endian = Endianness::Little;
        let section = file.section_by_name(".klp.rela.vmlinux..text").unwrap();
        let header = section.elf_section_header();
        assert_eq!(header.sh_type.get(endian), elf::SHT_RELA);
        assert_ne!(header.sh_flags.get(endian) & SHF_RELA_LIVEPATCH, 0);
        let text = file.section_by_name(".text").unwrap().index();
        assert_eq!(header.sh_info.get(endian) as usize, text.0);
        // Offset, symbol and type in one, addend.
        let ours: Vec<_> = section
            .data()
            .unwrap()
            .chunks_exact(24)
            .map(|entry| entry.chunks_exact(8))
            .map(|mut words| words.next().unwrap()[0])
            .collect();
        assert_eq!(ours, [1, 17]);

        let name = ".klp.sym.vmlinux.wanted,0";
        let symbol = file.symbols().find(|it| it.name() == Ok(name)).unwrap();
        assert_eq!(symbol.elf_symbol().st_shndx.get(endian), SHN_LIVEPATCH);
        assert!(file.symbols().all(|symbol| symbol.name() != Ok("wanted")));
        // What is not loaded stays as it is.
        assert_eq!(
            relocations(&converted, ".debug_info"),
            [(0, name.to_owned())]
        );
    }

    #[test]
    fn other_symbols_stay() {
        let converted = convert(&module(), &names(LIST).unwrap()).unwrap();
        let file = ElfFile64::<Endianness>::parse(&*converted).unwrap();
        let exported = file.symbols().find(|it| it.name() == Ok("exported"));
        assert!(exported.unwrap().is_undefined());
        let section = file.section_by_name(".rela.text").unwrap();
        assert_eq!(section.data().unwrap().len(), 24);
    }

    #[test]
    fn a_list_that_does_not_fit_is_refused() {
        let module = module();
        let list = format!("{LIST}0x0\tabsent\tvmlinux\tEXPORT_SYMBOL_GPL\t\n");
        let error = convert(&module, &names(&list).unwrap()).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
        let converted = convert(&module, &names(LIST).unwrap()).unwrap();
        let error = convert(&converted, &names(LIST).unwrap()).unwrap_err();
        assert!(error.to_string().contains("already"), "{error}");
        assert!(names("0x0\tname\tsome_module\tEXPORT_SYMBOL\t\n").is_err());
        assert!(convert(b"no module", &names(LIST).unwrap()).is_err());
    }
}
