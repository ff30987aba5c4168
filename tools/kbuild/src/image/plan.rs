// SPDX-License-Identifier: GPL-2.0
//! What goes into a kernel, and where it lies for that reason.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    Built, Cache, Config, Project, accounting,
    config::Options,
    image::debian::{self, PREPARE_TREE},
    key::{self, Inputs},
    module::place::{self, Purpose},
    patches::Series,
    source::{Source, Tested},
    toolchain::Toolchain,
    usage::STAMP,
};

/// Counts the changes of this program that change what it builds.
const RECIPE: u32 = 1;

/// Everything that goes into one kernel.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What names its directory and its logs.
    pub(crate) name: String,
    pub(crate) options: Options,
    pub(crate) series: Series,
    pub(crate) source: Source,
    /// All of it, for the key.
    pub(crate) inputs: Inputs,
    tree: String,
    /// The image in the build directory.
    image: String,
}

impl Plan {
    pub(crate) fn new(
        cache: &Cache,
        project: &Project,
        config: Config,
        toolchain: Toolchain,
        source: Source,
    ) -> Result<Self> {
        let series = if config.is_patched() {
            Series::read(&project.patches())?
        } else {
            Series::default()
        };
        let options = config.options(project)?;
        let gcc = toolchain.gcc.clone();
        let mut plan = Self::with(
            cache,
            &config.to_string(),
            options,
            series,
            toolchain,
            source,
        )?;
        if config == Config::Debian {
            let tested = Tested::read()?;
            plan.inputs.add("gcc", gcc);
            plan.inputs.add("release", &tested.release);
            plan.inputs
                .add("tree", key::of_file(&project.top().join(PREPARE_TREE))?);
            plan.image = debian::image(&tested);
        }
        Ok(plan)
    }

    /// With options that are not one of the project's kernels'.
    pub(crate) fn with(
        cache: &Cache,
        name: &str,
        options: Options,
        series: Series,
        toolchain: Toolchain,
        source: Source,
    ) -> Result<Self> {
        let mut inputs = Inputs::default();
        inputs.add("recipe", RECIPE);
        source.describe(&mut inputs);
        series.describe(&mut inputs);
        let tree = format!("linux-{}-{}", source.version, inputs.key());
        toolchain.describe(&mut inputs);
        inputs.add("options", format!("\n{options}"));
        fs::create_dir_all(cache.sources())?;
        Ok(Self {
            name: name.to_owned(),
            options,
            series,
            source,
            inputs,
            tree,
            image: "arch/x86/boot/bzImage".to_owned(),
        })
    }

    /// With the compilers and the source that are there. Installs and fetches nothing.
    pub(crate) fn of_what_is_there(
        cache: &Cache,
        project: &Project,
        config: Config,
    ) -> Result<Self> {
        let first = || format!("run `{}` first", config.make_command());
        let toolchain = Toolchain::find()?;
        let source = Source::recorded(cache)?
            .context("the kernel's source was not fetched yet")
            .with_context(first)?;
        Self::new(cache, project, config, toolchain, source)
    }

    /// Where everything is, or will be.
    pub(crate) fn built(&self, cache: &Cache, project: &Project) -> Built {
        let source = cache.sources().join(&self.tree);
        // Directly in the source: Kbuild then names all files relative to the build directory, and
        // neither the key nor the user's home gets into a command line that ccache has to find
        // again.
        let build = source.join(self.build_name());
        Built {
            image: build.join(&self.image),
            module: place::file(cache, project, &build, Purpose::Use),
            test_module: place::file(cache, project, &build, Purpose::Test),
            accounting: build.join("accounting"),
            build,
            source,
        }
    }

    fn build_name(&self) -> String {
        format!("build-{}-{}", self.name, self.inputs.key())
    }

    /// Whether it was built to the end.
    pub(crate) fn is_complete(&self, built: &Built) -> bool {
        stamp(built).is_file() && built.image.is_file() && accounting::are_built(&built.accounting)
    }

    /// Keeps that it was built to the end, and of what.
    pub(crate) fn complete(&self, cache: &Cache, built: &Built) -> Result<()> {
        cache.write(&stamp(built), self.inputs.text().as_bytes())
    }
}

fn stamp(built: &Built) -> PathBuf {
    built.build.join(STAMP)
}
