// SPDX-License-Identifier: GPL-2.0
//! Variants of the lean kernel: each has an option more or less. The module has to compile for them
//! and the patches have to; they are never linked and never run.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    Built, Cache, Config, Project,
    config::Options,
    image::{Plan, configure},
    kbuild::Kbuild,
    patches::Series,
    progress, run,
    source::Source,
    space,
    toolchain::Toolchain,
};

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// What its fragment is called.
    pub(crate) name: String,
    fragment: PathBuf,
}

/// All of them.
pub(crate) fn all(project: &Project) -> Result<Vec<Variant>> {
    let folder = project.variants();
    let mut variants = Vec::new();
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let fragment = entry?.path();
        let name = fragment.file_stem().unwrap_or_default().to_string_lossy();
        variants.push(Variant {
            name: name.into_owned(),
            fragment,
        });
    }
    variants.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(variants)
}

impl Variant {
    fn options(&self, project: &Project) -> Result<Options> {
        let lean = Config::Lean.options(project)?;
        Ok(lean.overlaid_with(Options::read(&self.fragment)?))
    }

    fn plan(&self, cache: &Cache, project: &Project) -> Result<Plan> {
        let source = Source::recorded(cache)?.context("the kernel's source was not fetched yet")?;
        Plan::with(
            cache,
            &self.name,
            self.options(project)?,
            Series::read(&project.patches())?,
            Toolchain::find(cache)?,
            source,
        )
    }

    /// Where its build directory is, or will be.
    pub(crate) fn built(&self, cache: &Cache, project: &Project) -> Result<Built> {
        Ok(self.plan(cache, project)?.built(cache, project))
    }

    /// Makes what a module is compiled with, and compiles what the patches change. The lean kernel
    /// has been built. Does nothing where this is done.
    pub(crate) fn prepare(&self, project: &Project) -> Result<Built> {
        let cache = Cache::open()?;
        let plan = self.plan(&cache, project)?;
        let built = plan.built(&cache, project);
        let stamp = built.build.join("prepared");
        if stamp.is_file() {
            return Ok(built);
        }
        let _lock = cache.lock("kernel")?;
        // Whoever had the lock may have done it.
        if stamp.is_file() {
            return Ok(built);
        }
        progress::say(&format!(
            "preparing the variant `{}` in {}",
            self.name,
            built.build.display()
        ));
        plan.source.unpack(&cache, &plan.series, &built.source)?;
        space::check(cache.root(), space::PREPARED)?;
        let kbuild = Kbuild::for_kernel(&cache, &plan.toolchain)?;
        configure(&cache, &plan, &kbuild, &built)?;
        let output = format!("O={}", built.build.display());
        let log = cache.log(&format!("{}-prepare", self.name));
        let prepare = kbuild.make(&built.source, &[output.clone(), "modules_prepare".into()]);
        run::logged("preparing it for modules", &prepare, &log, run::last_line)?;
        let mut arguments = vec![output];
        arguments.extend(plan.series.objects());
        let log = cache.log(&format!("{}-objects", self.name));
        let compile = kbuild.make(&built.source, &arguments);
        run::logged("compiling what the patches change", &compile, &log, |_| {
            None
        })?;
        fs::write(stamp, plan.inputs.text())?;
        Ok(built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variant_differs_from_the_lean_kernel() {
        let project = Project::find().unwrap();
        let lean = Config::Lean.options(&project).unwrap();
        let variants = all(&project).unwrap();
        assert!(!variants.is_empty());
        for variant in variants {
            let options = variant.options(&project).unwrap();
            assert!(!options.missing_from(&lean).is_empty(), "{}", variant.name);
        }
    }
}
