// SPDX-License-Identifier: GPL-2.0
//! Building the module of a work tree, outside the work tree.

pub(crate) mod place;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    Built, Cache, Config, Project, image, make::Kbuild, run, source::Tested, toolchain::Toolchain,
};
pub(crate) use place::NAME;
pub use place::Purpose;
use place::{aside, file_name, output};
use tree::{Seam, Tree};

/// The object that all of its Rust is compiled to.
const OBJECT: &str = "rust/rust_taskstats.o";

/// What livepatch resolves for the module, in the format of `Module.symvers`.
const LIVEPATCH_SYMBOLS: &str = "rust/seam/livepatch.symvers";

/// What the module is built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kernel {
    /// One of the project's, which is built first if it is not there.
    Ours(Config),
    /// A kernel tree of the user's own: a build directory, as `KDIR=` names it.
    Theirs(PathBuf),
}

/// Builds the module and returns where it is.
pub fn build(kernel: &Kernel, purpose: Purpose) -> Result<PathBuf> {
    let project = Project::find()?;
    let job = match kernel {
        Kernel::Ours(Config::Debian) => Job::for_debians(&project)?,
        Kernel::Ours(config) => Job::for_ours(&project, &image::build(*config)?)?,
        Kernel::Theirs(directory) => Job::for_theirs(&project, directory)?,
    };
    let (job, title) = match purpose {
        Purpose::Use => (job, "building the module"),
        Purpose::Test => (
            job.aside(Purpose::TEST_DIRECTORY),
            "building the module to be tested",
        ),
    };
    Ok(job.build(title, &purpose.arguments())?.join(file_name()))
}

/// Builds external modules other than the work tree's own for one of the project's kernels: those
/// of `source`, a directory with a `Kbuild`. Returns the directory with what was built.
pub fn build_others(source: &Path, config: Config) -> Result<PathBuf> {
    let built = image::build(config)?;
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    Job::new(source, &Tree::read(&built.build)?)?
        .build(&format!("building the modules in {name}"), &[])
}

/// A module to build: from which directory, for which kernel, with what.
pub(crate) struct Job {
    cache: Cache,
    source: PathBuf,
    kdir: PathBuf,
    output: PathBuf,
    seam: Seam,
    /// What Kbuild is told besides.
    variables: Vec<String>,
    pub(crate) kbuild: Kbuild,
}

impl Job {
    pub(crate) fn for_ours(project: &Project, built: &Built) -> Result<Self> {
        Self::new(project.top(), &Tree::read(&built.build)?)
    }

    /// For Debian's own kernel, which is fetched if it is not there.
    pub(crate) fn for_debians(project: &Project) -> Result<Self> {
        let mut job = Self::for_ours(project, &image::build(Config::Debian)?)?;
        let version = Tested::read()?.version;
        job.variables.extend([
            "CC=x86_64-linux-gnu-gcc-14".to_owned(),
            format!("TASKSTATS_KERNEL_VERSION=Debian {version}"),
        ]);
        Ok(job)
    }

    /// For a kernel that modules can be compiled for, but which is not there.
    pub(crate) fn for_prepared(project: &Project, built: &Built) -> Result<Self> {
        Self::new(project.top(), &Tree::read_prepared(&built.build)?)
    }

    fn for_theirs(project: &Project, directory: &Path) -> Result<Self> {
        let kdir = directory
            .canonicalize()
            .with_context(|| format!("no kernel tree {}", directory.display()))?;
        Self::new(project.top(), &Tree::read(&kdir)?)
    }

    fn new(source: &Path, kernel: &Tree) -> Result<Self> {
        let cache = Cache::open()?;
        let kbuild = Kbuild::for_module(kernel.is_clangs(&Toolchain::find()?)?);
        let kdir = kernel.directory();
        let output = output(&cache, source, kdir);
        Ok(Self {
            cache,
            source: source.to_owned(),
            kdir: kdir.to_owned(),
            output,
            seam: kernel.seam()?,
            variables: Vec::new(),
            kbuild,
        })
    }

    /// The same job in another directory, so that the module itself is not built again.
    pub(crate) fn aside(self, name: &str) -> Self {
        Self {
            output: aside(self.output.clone(), name),
            ..self
        }
    }

    /// Builds, and returns the directory with what was built.
    pub(crate) fn build(&self, title: &str, more: &[String]) -> Result<PathBuf> {
        self.make(title, more, "modules")?;
        if self.seam == Seam::Livepatch {
            self.resolve_by_livepatch()?;
        }
        Ok(self.output.clone())
    }

    /// Turns what the kernel does not export into symbols that livepatch resolves, in the module
    /// that Kbuild has just linked, if it had to.
    fn resolve_by_livepatch(&self) -> Result<()> {
        let list = self.source.join(LIVEPATCH_SYMBOLS);
        let path = self.output.join(file_name());
        if !list.is_file() || !path.is_file() {
            return Ok(());
        }
        if klp::is_converted(&fs::read(&path)?)? {
            return Ok(());
        }
        // Not later: what livepatch is to find would not survive it.
        let strip = run::program("strip", &["--strip-debug", &path.display().to_string()]);
        run::verdict(&strip).with_context(|| path.display().to_string())?;
        let names =
            klp::names(&fs::read_to_string(&list)?).with_context(|| list.display().to_string())?;
        let converted =
            klp::convert(&fs::read(&path)?, &names).with_context(|| path.display().to_string())?;
        self.cache.write(&path, &converted)
    }

    /// Compiles all of the work tree's module and links nothing.
    pub(crate) fn compile(&self, title: &str, more: &[String]) -> Result<()> {
        self.make(title, more, OBJECT)
    }

    fn make(&self, title: &str, more: &[String], goal: &str) -> Result<()> {
        if !self.source.join("Kbuild").is_file() {
            bail!(
                "{} has no Kbuild, so there is no module to build",
                self.source.display()
            );
        }
        fs::create_dir_all(&self.output)?;
        let name = self
            .output
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let _lock = self.cache.lock(&format!("module/{name}"))?;
        let mut arguments = vec![
            format!("M={}", self.source.display()),
            format!("MO={}", self.output.display()),
        ];
        arguments.extend_from_slice(&self.variables);
        arguments.extend_from_slice(more);
        arguments.push(goal.into());
        let make = self.kbuild.make(&self.kdir, &arguments);
        run::logged(
            title,
            &make,
            &self.cache.log(&format!("module-{name}")),
            |_| None,
        )
    }
}
