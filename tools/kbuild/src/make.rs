// SPDX-License-Identifier: GPL-2.0
//! Calling the kernel's own build system.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use anyhow::Result;
use duct::Expression;

use crate::{
    Cache, run,
    toolchain::{Toolchain, llvm::Llvm, rustc::Rustc},
};

/// What of the caller's environment the kernel's build may see. Everything else could change the
/// result: Kbuild takes a great many variables from there.
const PASSED: [&str; 5] = ["HOME", "USER", "LOGNAME", "TERM", "TMPDIR"];

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
    /// To build a kernel: with all that Rust in it needs, and with a cache of compiled objects.
    pub(crate) fn for_kernel(cache: &Cache, toolchain: &Toolchain) -> Result<Self> {
        let mut kbuild = Self::for_module(&toolchain.rustc, Some(&toolchain.llvm))?;
        kbuild
            .variables
            .push(format!("BINDGEN={}", toolchain.bindgen.program.display()));
        kbuild.set("RUST_LIB_SRC", &toolchain.core_source);
        if let Some(libclang) = &toolchain.llvm.libclang {
            kbuild.set("LIBCLANG_PATH", libclang);
        }
        if let Some(ccache) = run::which("ccache") {
            // Not HOSTCC: rustc takes that as the name of its linker.
            let clang = toolchain.llvm.program("clang");
            kbuild
                .variables
                .push(format!("CC={} {clang}", ccache.display()));
            kbuild.set("CCACHE_DIR", cache.ccache());
            kbuild.set("CCACHE_MAXSIZE", CCACHE_SIZE);
            // A build directory lies directly in its source, so Kbuild names all files relative to
            // it, and the objects of one tree are those of the next.
            kbuild.set("CCACHE_NOHASHDIR", "1");
        }
        Ok(kbuild)
    }

    /// To build a module against a kernel that was compiled with clang, or without `llvm` with gcc.
    pub(crate) fn for_module(rustc: &Rustc, llvm: Option<&Llvm>) -> Result<Self> {
        let mut kbuild = Self {
            variables: Vec::new(),
            environment: BTreeMap::new(),
        };
        kbuild
            .variables
            .extend(llvm.map(|llvm| format!("LLVM={}", llvm.make_value())));
        PASSED
            .iter()
            .filter_map(|name| Some((name, env::var_os(name)?)))
            .for_each(|(name, value)| {
                kbuild.set(name, value);
            });
        FIXED
            .iter()
            .for_each(|(name, value)| kbuild.set(name, value));
        kbuild.set("PATH", path(rustc)?);
        Ok(kbuild)
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
        program: &Path,
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

/// rustc's own directory first: a build then calls one compiler directly, not what `rustup` chooses
/// by directory. Then the system's programs before the user's.
fn path(rustc: &Rustc) -> Result<OsString> {
    let user = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    Ok(env::join_paths(
        [rustc.bin()]
            .into_iter()
            .chain(system)
            .chain(env::split_paths(&user)),
    )?)
}

fn jobs() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get) + 1
}
