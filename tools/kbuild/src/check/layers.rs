// SPDX-License-Identifier: GPL-2.0
//! That imports of the module point down only, from layer to layer, that no files import each other
//! in a circle, and that layers without `unsafe` forbid it.
//!
//! A layer is a folder of `rust/`; see `Documentation/design.rst`. What is read are the paths that
//! begin with `crate`, `super` or `self`, wherever they are. A `mod.rs` that re-exports stands for
//! the files that it re-exports from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use walkdir::WalkDir;

use crate::{Built, Project};

/// A folder of `rust/`, and what it may do.
struct Layer {
    name: &'static str,
    /// The layers that it may import from, besides itself.
    below: &'static [&'static str],
    forbids_unsafe: bool,
}

/// The layers, from top to bottom.
const LAYERS: &[Layer] = &[
    Layer {
        name: "test",
        below: &["taskstats", "accounting", "genetlink", "abstractions"],
        forbids_unsafe: false,
    },
    Layer {
        name: "taskstats",
        below: &["accounting", "seam", "genetlink", "abstractions"],
        forbids_unsafe: true,
    },
    Layer {
        name: "taskacct",
        below: &["accounting", "seam", "genetlink", "abstractions"],
        forbids_unsafe: true,
    },
    Layer {
        name: "accounting",
        below: &["abstractions"],
        forbids_unsafe: true,
    },
    Layer {
        name: "seam",
        below: &["genetlink", "abstractions"],
        forbids_unsafe: false,
    },
    Layer {
        name: "genetlink",
        below: &[],
        forbids_unsafe: false,
    },
    Layer {
        name: "abstractions",
        below: &[],
        forbids_unsafe: false,
    },
];

const FORBID: &str = "#![forbid(unsafe_code)]";

pub(super) fn check(project: &Project, _: &Built) -> Result<()> {
    let top = project.top().join("rust");
    let mut sources = Sources::new();
    for entry in WalkDir::new(&top).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            sources.insert(module_of(path.strip_prefix(&top)?), text);
        }
    }
    ensure!(!sources.is_empty(), "no Rust files in {}", top.display());
    let found = findings(&sources);
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// The segments of a module's path; none for the crate's root.
type Module = Vec<String>;

/// The text of each file, by its module.
type Sources = BTreeMap<Module, String>;

/// The module that a file is, seen from `rust/`.
fn module_of(file: &Path) -> Module {
    let mut module: Module = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    match module.last().map(String::as_str) {
        Some("mod") => {
            module.pop();
            module
        }
        // A file of `rust/` itself is the crate's root.
        _ if module.len() == 1 => Vec::new(),
        _ => module,
    }
}

fn show(module: &[String]) -> String {
    match module {
        [] => "the crate's root".into(),
        module => module.join("::"),
    }
}

/// All that is wrong.
fn findings(sources: &Sources) -> Vec<String> {
    let imports = imports(sources);
    let mut found = Vec::new();
    for (from, to) in &imports {
        for to in to {
            found.extend(upward(from, to));
        }
    }
    found.extend(circle(&imports));
    for layer in LAYERS.iter().filter(|layer| layer.forbids_unsafe) {
        let module = vec![layer.name.to_owned()];
        if sources.keys().any(|other| other.starts_with(&module)) {
            let text = sources.get(&module).map_or("", String::as_str);
            if !code(text).contains(FORBID) {
                found.push(format!("{}/mod.rs does not say {FORBID}", layer.name));
            }
        }
    }
    found
}

/// What is wrong with an import of `to` in `from`, if anything is.
fn upward(from: &[String], to: &[String]) -> Option<String> {
    let layer = |module: &[String]| {
        let name = module.first()?.clone();
        LAYERS.iter().find(|layer| layer.name == name)
    };
    if from.is_empty() || from.first() == to.first() {
        return None;
    }
    let allowed = match (layer(from), to.first()) {
        (Some(layer), Some(to)) => layer.below.contains(&to.as_str()),
        _ => false,
    };
    (!allowed).then(|| format!("{} imports {}: not a layer below", show(from), show(to)))
}

/// The modules that each module imports from, but for itself.
fn imports(sources: &Sources) -> BTreeMap<Module, BTreeSet<Module>> {
    let paths: BTreeMap<&Module, Vec<Module>> = sources
        .iter()
        .map(|(module, text)| (module, paths(module, &code(text))))
        .collect();
    let mut imports = BTreeMap::new();
    for (from, found) in &paths {
        let to = found.iter().map(|path| resolve(sources, &paths, path, 4));
        let to = to.filter(|to| to != *from);
        imports.insert((*from).clone(), to.collect());
    }
    imports
}

/// The module that a path leads to, by way of what modules re-export, so many times.
fn resolve(
    sources: &Sources,
    paths: &BTreeMap<&Module, Vec<Module>>,
    path: &[String],
    times: usize,
) -> Module {
    let length = (0..=path.len())
        .rev()
        .find(|&length| sources.contains_key(&path[..length]));
    let module = path[..length.unwrap_or(0)].to_vec();
    let Some(item) = path.get(module.len()) else {
        return module;
    };
    let reexported = paths[&module]
        .iter()
        .find(|other| other.len() > module.len() + 1 && other.last() == Some(item));
    match reexported {
        Some(other) if times > 0 && other.starts_with(&module) => {
            resolve(sources, paths, other, times - 1)
        }
        _ => module,
    }
}

/// A circle of imports, if there is one. A module that has others in it only ties them together.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<String> {
    let is_file = |module: &Module| {
        !module.is_empty()
            && !imports
                .keys()
                .any(|other| other.len() > module.len() && other.starts_with(module))
    };
    let mut done = BTreeSet::new();
    for start in imports.keys().filter(|module| is_file(module)) {
        let mut way = Vec::new();
        if walk(imports, &is_file, start, &mut way, &mut done) {
            let names: Vec<_> = way.iter().map(|module| show(module)).collect();
            return Some(format!("imports in a circle: {}", names.join(" -> ")));
        }
    }
    None
}

/// Whether there is a circle from here on, which `way` then ends with.
fn walk(
    imports: &BTreeMap<Module, BTreeSet<Module>>,
    is_file: &impl Fn(&Module) -> bool,
    here: &Module,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> bool {
    if let Some(begin) = way.iter().position(|module| module == here) {
        way.drain(..begin);
        way.push(here.clone());
        return true;
    }
    if done.contains(here) {
        return false;
    }
    way.push(here.clone());
    for next in imports[here].iter().filter(|module| is_file(module)) {
        if walk(imports, is_file, next, way, done) {
            return true;
        }
    }
    way.pop();
    done.insert(here.clone());
    false
}

/// The text without comments and strings.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string(rest)
        } else {
            0
        };
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        // A character such as '"' begins no string.
        let length = match rest.strip_prefix('\'').and_then(|rest| rest.find('\'')) {
            Some(end) if end == 1 || (end == 2 && rest[1..].starts_with('\\')) => end + 2,
            _ => first.len_utf8(),
        };
        code.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    code
}

/// How long the string is that the text begins with.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The paths in the code of a module, from the crate's root on.
fn paths(module: &[String], code: &str) -> Vec<Module> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let inside = at > 0 && tokens[at - 1] == "::";
        if inside || tokens.get(at + 1) != Some(&"::") {
            continue;
        }
        let base = match *token {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len().saturating_sub(1)].to_vec(),
            _ => continue,
        };
        tree(&tokens, at + 2, &base, &mut paths);
    }
    paths
}

/// Reads a path, or several in braces, behind `base`; returns where it ends.
fn tree(tokens: &[&str], mut at: usize, base: &[String], paths: &mut Vec<Module>) -> usize {
    let mut path = base.to_vec();
    loop {
        match tokens.get(at).copied() {
            Some("{") => {
                at += 1;
                while !matches!(tokens.get(at).copied(), None | Some("}")) {
                    let next = tree(tokens, at, &path, paths);
                    // At least one token, whatever it is.
                    at = next.max(at + usize::from(next == at));
                    if tokens.get(at) == Some(&",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("super") => {
                path.pop();
                at += 1;
            }
            Some("self") => at += 1,
            Some(name) if is_name(name) => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => break,
        }
        if tokens.get(at) == Some(&"as") {
            at += 2;
        }
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    paths.push(path);
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::`, and all else character by character, without white space.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("::") {
            2
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_');
            end.unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Sources {
        files
            .iter()
            .map(|(file, text)| (module_of(Path::new(file)), (*text).to_owned()))
            .collect()
    }

    const MODS: [(&str, &str); 2] = [
        ("taskstats/mod.rs", "#![forbid(unsafe_code)]\nmod query;"),
        ("accounting/mod.rs", "#![forbid(unsafe_code)]\nmod record;"),
    ];

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let all: Vec<_> = MODS.into_iter().chain(files.iter().copied()).collect();
        findings(&sources(&all))
    }

    #[test]
    fn down_is_fine() {
        let files = [
            (
                "rust_taskstats.rs",
                "use crate::{taskstats::query, seam::slot};",
            ),
            (
                "taskstats/query.rs",
                "use crate::accounting::record::Record;",
            ),
            (
                "accounting/record.rs",
                "use crate::abstractions::task::{self, View};",
            ),
            ("abstractions/task.rs", "use super::mm::Guard;"),
            ("abstractions/mm.rs", "fn f() { self::g() }"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn up_and_sideways_are_not() {
        for (file, import) in [
            (
                "abstractions/task.rs",
                "use crate::accounting::record::Record;",
            ),
            (
                "accounting/record.rs",
                "use crate::{\n genetlink::{Room, Family},\n};",
            ),
            (
                "accounting/record.rs",
                "fn f() { crate::taskstats::query::f() }",
            ),
            ("genetlink/socket.rs", "use super::super::taskstats;"),
            ("seam/slot.rs", "use crate::Taskstats;"),
            (
                "accounting/record.rs",
                "macro_rules! m { () => { $crate::genetlink::f() } }",
            ),
        ] {
            let found = found(&[
                (file, import),
                ("rust_taskstats.rs", ""),
                ("genetlink/mod.rs", ""),
                ("taskstats/query.rs", ""),
            ]);
            assert_eq!(found.len(), 1, "{file}: {import}: {found:?}");
            assert!(found[0].contains("not a layer below"), "{found:?}");
        }
    }

    #[test]
    fn comments_and_strings_import_nothing() {
        let text = "// use crate::taskstats::query;\n/* crate::taskstats */\n\
                    const A: &str = \"crate::taskstats\\\" crate::taskstats\";\n\
                    const B: char = '\"'; use crate::taskstats::query; // \"";
        let found = found(&[("accounting/record.rs", text), ("taskstats/query.rs", "")]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn circles_are_found_through_re_exports_as_well() {
        let files = [
            (
                "genetlink/mod.rs",
                "pub use self::{family::{Family, Ops}, request::Request};",
            ),
            ("genetlink/family.rs", "use super::Request;"),
            ("genetlink/request.rs", "use super::message::Message;"),
            ("genetlink/message.rs", "use super::Family;"),
        ];
        let found = found(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("genetlink::family -> genetlink::request -> genetlink::message"),
            "{found:?}"
        );
        assert_eq!(findings(&sources(&files[..3])), [""; 0]);
    }

    #[test]
    fn a_layer_without_unsafe_says_so() {
        let files = [("taskstats/mod.rs", "// #![forbid(unsafe_code)]")];
        let found = findings(&sources(&files));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("forbid"), "{found:?}");
    }
}
