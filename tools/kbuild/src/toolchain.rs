// SPDX-License-Identifier: GPL-2.0
//! The environment's compilers.

use anyhow::{Context, Result};

use crate::{key::Inputs, run};

/// What Debian's names of the LLVM tools end with: the version of the LLVM in its rustc, so that
/// the kernel inlines its C helpers into Rust. `tools/environment/packages` installs them.
pub(crate) const LLVM: &str = "-19";

/// Where that version's libclang is, for bindgen.
pub(crate) const LIBCLANG: &str = "/usr/lib/llvm-19/lib";

/// What the compilers say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) rustc: String,
    pub(crate) clang: String,
    pub(crate) gcc: String,
    bindgen: String,
}

impl Toolchain {
    pub(crate) fn find() -> Result<Self> {
        Ok(Self {
            rustc: version("rustc")?,
            clang: version(&clang())?,
            gcc: version("gcc")?,
            bindgen: version("bindgen")?,
        })
    }

    pub(crate) fn describe(&self, inputs: &mut Inputs) {
        inputs.add("rustc", &self.rustc);
        inputs.add("clang", &self.clang);
        inputs.add("bindgen", &self.bindgen);
    }

    /// Whether one of the C compilers calls itself so. gcc begins with the name that it was called
    /// by, such as `gcc` or `x86_64-linux-gnu-gcc-14`.
    pub(crate) fn has_c_compiler(&self, text: &str) -> bool {
        fn version_of_gcc(text: &str) -> Option<&str> {
            let (name, version) = text.split_once(' ')?;
            name.contains("gcc").then_some(version)
        }
        text == self.clang
            || version_of_gcc(text).is_some_and(|it| version_of_gcc(&self.gcc) == Some(it))
    }
}

/// The name of the C compiler.
pub(crate) fn clang() -> String {
    format!("clang{LLVM}")
}

/// What a program says of its version, in one line.
fn version(program: &str) -> Result<String> {
    let text = run::answer(&run::program(program, &["--version"]))
        .with_context(|| format!("{program} does not run: is this the environment?"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_and_clang_have_one_llvm() {
        let said = run::answer(&run::program("rustc", &["--version", "--verbose"])).unwrap();
        let llvm = said
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "));
        let major = llvm.and_then(|version| version.split('.').next());
        assert_eq!(major, LLVM.strip_prefix('-'));
    }

    #[test]
    fn each_compiler_is_named() {
        let toolchain = Toolchain::find().unwrap();
        assert!(toolchain.rustc.starts_with("rustc "), "{toolchain:?}");
        assert!(toolchain.has_c_compiler(&toolchain.clang));
        assert!(toolchain.has_c_compiler(&toolchain.gcc));
        assert!(toolchain.has_c_compiler(&format!("x86_64-linux-gnu-{}", toolchain.gcc)));
        assert!(!toolchain.has_c_compiler("tcc 0.9"));
        assert!(!toolchain.has_c_compiler("gcc (Debian 1.2.3-4) 1.2.3"));
    }
}
