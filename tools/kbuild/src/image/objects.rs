// SPDX-License-Identifier: GPL-2.0
//! How far the compilation is, in object files.

use std::{fs, path::Path};

use anyhow::Result;
use walkdir::WalkDir;

use crate::Cache;

/// How many there are about, where no build has shown it yet.
const USUAL: usize = 1_360;

/// A count of the object files.
#[derive(Debug)]
pub(super) struct Count {
    done: usize,
    total: usize,
    last: String,
    build: String,
}

impl Count {
    /// Begins with those that an interrupted build left.
    pub(super) fn begin(cache: &Cache, name: &str, build: &Path) -> Self {
        let done = WalkDir::new(build)
            .into_iter()
            .flatten()
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "o")
            })
            .count();
        let total = fs::read_to_string(file(cache, name))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        Self {
            done,
            total: total.unwrap_or(USUAL),
            last: String::new(),
            build: format!("{}/", build.display()),
        }
    }

    /// Counts what the build printed, and says how far it is.
    pub(super) fn follow(&mut self, output: &str) -> Option<String> {
        for object in output.lines().filter_map(object) {
            self.done += 1;
            object
                .trim_start_matches(&self.build)
                .clone_into(&mut self.last);
        }
        (!self.last.is_empty()).then(|| match self.done < self.total {
            true => format!(
                "{} of about {} objects, {}",
                self.done, self.total, self.last
            ),
            false => format!("{} objects, {}", self.done, self.last),
        })
    }

    /// Keeps the number for the next build.
    pub(super) fn remember(&self, cache: &Cache, name: &str) -> Result<()> {
        Ok(fs::write(file(cache, name), format!("{}\n", self.done))?)
    }
}

fn file(cache: &Cache, name: &str) -> std::path::PathBuf {
    cache.log(&format!("{name}-build")).with_extension("count")
}

/// The object file that a line of Kbuild's names, such as `  CC      kernel/fork.o`.
fn object(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("  ")?.split_whitespace();
    let (_command, file) = (words.next()?, words.next_back()?);
    file.ends_with(".o").then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_object_files() {
        let mut count = Count {
            done: 5,
            total: 10,
            last: String::new(),
            build: "/b/".into(),
        };
        assert_eq!(count.follow(""), None);
        let output = "  CC      kernel/fork.o\n  HOSTCC  scripts/x\n  CC [M]  /b/a/b.o\n\
                      warning: c.o\n  AR      built-in.a\n";
        assert_eq!(
            count.follow(output).unwrap(),
            "7 of about 10 objects, a/b.o"
        );
        assert_eq!(count.follow("").unwrap(), "7 of about 10 objects, a/b.o");
        count.done = 10;
        assert_eq!(count.follow("").unwrap(), "10 objects, a/b.o");
    }
}
