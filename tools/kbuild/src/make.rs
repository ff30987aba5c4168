// SPDX-License-Identifier: GPL-2.0
//! Calling the kernel's own build system.

use std::{collections::BTreeMap, env, ffi::OsString, num::NonZero, path::Path, thread};

use duct::Expression;

use crate::{
    Cache, run,
    toolchain::{LIBCLANG, LLVM, clang},
};

/// What of the caller's environment the kernel's build may see. Everything else could change the
/// result: Kbuild takes a great many variables from there.
const PASSED: [&str; 3] = ["HOME", "PATH", "TERM"];

/// The same in every build, so that the same inputs give the same bytes.
const FIXED: [(&str, &str); 6] = [
    ("LC_ALL", "C"),
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "rust-taskstats"),
    ("KBUILD_BUILD_HOST", "rust-taskstats"),
    ("KBUILD_BUILD_VERSION", "1"),
    // Otherwise an unclean git tree around the cache would show in the kernel's version.
    ("LOCALVERSION", ""),
];

/// Compiled objects that are kept for the next key.
const CCACHE_SIZE: &str = "4G";

/// The kernel's build system with the compilers to use.
#[derive(Debug)]
pub(crate) struct Kbuild {
    variables: Vec<String>,
    environment: BTreeMap<OsString, OsString>,
}

impl Kbuild {
    /// To build a kernel: with a cache of compiled objects.
    pub(crate) fn for_kernel(cache: &Cache) -> Self {
        let mut kbuild = Self::for_module(true);
        // Not HOSTCC: rustc takes that as the name of its linker.
        kbuild.variables.push(format!("CC=ccache {}", clang()));
        kbuild.set("CCACHE_DIR", cache.ccache());
        kbuild.set("CCACHE_MAXSIZE", CCACHE_SIZE);
        // A build directory lies directly in its source, so Kbuild names all files relative to it,
        // and the objects of one tree are those of the next.
        kbuild.set("CCACHE_NOHASHDIR", "1");
        kbuild
    }

    /// To build a module against a kernel that was compiled with clang, or else with gcc.
    pub(crate) fn for_module(is_clang: bool) -> Self {
        let mut kbuild = Self {
            variables: Vec::new(),
            environment: BTreeMap::new(),
        };
        if is_clang {
            kbuild.variables.push(format!("LLVM={LLVM}"));
        }
        PASSED
            .iter()
            .filter_map(|name| Some((name, env::var_os(name)?)))
            .for_each(|(name, value)| {
                kbuild.set(name, value);
            });
        FIXED
            .iter()
            .for_each(|(name, value)| kbuild.set(name, value));
        kbuild.set("LIBCLANG_PATH", LIBCLANG);
        kbuild
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.insert(name.into(), value.into());
    }

    /// A call of make in a directory.
    pub(crate) fn make(&self, directory: &Path, arguments: &[String]) -> Expression {
        let mut all = vec![
            format!("-j{}", jobs()),
            "-C".into(),
            directory.display().to_string(),
        ];
        all.extend(self.variables.iter().cloned());
        all.extend_from_slice(arguments);
        run::bound_to_us("make", &all).full_env(&self.environment)
    }

    /// Another program in the same environment, with more variables.
    pub(crate) fn program(
        &self,
        program: &str,
        arguments: &[String],
        variables: &[(String, String)],
    ) -> Expression {
        // duct lets the whole environment win over single variables, so they have to be in it.
        let mut environment = self.environment.clone();
        environment.extend(
            variables
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        duct::cmd(program, arguments).full_env(environment)
    }
}

fn jobs() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get) + 1
}
