// SPDX-License-Identifier: GPL-2.0
//! Building the module of a work tree, outside the work tree.

mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    Built, Cache, Config, Project, Request, image, kbuild::Kbuild, key::Inputs, run,
    toolchain::rustc::Rustc,
};
use tree::Tree;

/// The module's name.
pub(crate) const NAME: &str = "rust_taskstats";

/// What the module is built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kernel {
    /// One of the project's, which is built first if it is not there.
    Ours(Config),
    /// A kernel tree of the user's own: a build directory, as `KDIR=` names it.
    Theirs(PathBuf),
}

/// How the module is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variant {
    /// To be used.
    #[default]
    Production,
    /// To be tested: it compares each record that it fills with C's, and brings KUnit tests. The
    /// module that it gets C's from is in the same directory.
    Test,
}

impl Variant {
    const TEST_DIRECTORY: &str = "test";

    /// What Kbuild is told.
    pub(crate) fn arguments(self) -> Vec<String> {
        match self {
            Self::Production => vec![],
            Self::Test => vec!["TASKSTATS_TEST_BUILD=1".into()],
        }
    }
}

/// Builds the module and returns where it is.
pub fn build(kernel: &Kernel, variant: Variant) -> Result<PathBuf> {
    let project = Project::find()?;
    let job = match kernel {
        Kernel::Ours(config) => {
            let built = image::build(&Request {
                config: *config,
                ..Request::default()
            })?;
            Job::for_ours(&project, &built)?
        }
        Kernel::Theirs(directory) => Job::for_theirs(&project, directory)?,
    };
    let (job, title) = match variant {
        Variant::Production => (job, "building the module"),
        Variant::Test => (
            job.aside(Variant::TEST_DIRECTORY),
            "building the module to be tested",
        ),
    };
    Ok(job.build(title, &variant.arguments())?.join(file_name()))
}

/// Where the module of a work tree is, built for a kernel's build directory.
pub(crate) fn file(cache: &Cache, project: &Project, build: &Path, variant: Variant) -> PathBuf {
    let output = output(cache, project, build);
    match variant {
        Variant::Production => output,
        Variant::Test => aside(output, Variant::TEST_DIRECTORY),
    }
    .join(file_name())
}

/// A module to build: of which work tree, for which kernel, with what.
pub(crate) struct Job {
    cache: Cache,
    project: Project,
    kdir: PathBuf,
    output: PathBuf,
    pub(crate) kbuild: Kbuild,
}

impl Job {
    pub(crate) fn for_ours(project: &Project, built: &Built) -> Result<Self> {
        Self::new(project, &built.build)
    }

    fn for_theirs(project: &Project, directory: &Path) -> Result<Self> {
        let kdir = directory
            .canonicalize()
            .with_context(|| format!("no kernel tree {}", directory.display()))?;
        Self::new(project, &kdir)
    }

    fn new(project: &Project, kdir: &Path) -> Result<Self> {
        let cache = Cache::open()?;
        let rustc = Rustc::find()?;
        let llvm = Tree::read(kdir)?.compiler(&rustc)?;
        let kbuild = Kbuild::for_module(&rustc, llvm.as_ref())?;
        let output = output(&cache, project, kdir);
        Ok(Self {
            cache,
            project: project.clone(),
            kdir: kdir.to_owned(),
            output,
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
        if !self.project.top().join("Kbuild").is_file() {
            bail!(
                "{} has no Kbuild, so there is no module to build",
                self.project.top().display()
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
            format!("M={}", self.project.top().display()),
            format!("MO={}", self.output.display()),
        ];
        arguments.extend_from_slice(more);
        arguments.push("modules".into());
        let make = self.kbuild.make(&self.kdir, &arguments);
        run::logged(
            title,
            &make,
            &self.cache.log(&format!("module-{name}")),
            |_| None,
        )?;
        Ok(self.output.clone())
    }
}

/// One directory for each work tree and kernel.
fn output(cache: &Cache, project: &Project, kdir: &Path) -> PathBuf {
    let mut inputs = Inputs::default();
    inputs.add("work tree", project.top().display());
    inputs.add("kernel", kdir.display());
    cache.modules().join(inputs.key())
}

fn aside(output: PathBuf, name: &str) -> PathBuf {
    let mut output = output.into_os_string();
    output.push(format!("-{name}"));
    output.into()
}

fn file_name() -> String {
    format!("{NAME}.ko")
}
