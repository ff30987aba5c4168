// SPDX-License-Identifier: GPL-2.0
//! Variants of the lean kernel: each has an option more or less. The module has to compile for them
//! and the patches have to; they are never linked and never run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    Built, Cache, Config, Project,
    config::Options,
    image::{Plan, configure, make_clean},
    make::Kbuild,
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
            Toolchain::find()?,
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
        let _lock = cache.lock_kernels()?;
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
        let kbuild = Kbuild::for_kernel(&cache);
        make_clean(&built.source)?;
        configure(&cache, &plan, &kbuild, &built)?;
        let output = format!("O={}", built.build.display());
        let log = cache.log(&format!("{}-prepare", self.name));
        let prepare = kbuild.make(&built.source, &[output.clone(), "modules_prepare".into()]);
        run::logged("preparing it for modules", &prepare, &log, run::last_line)?;
        let mut arguments = vec![output];
        let actual = Options::read(&built.build.join(".config"))?;
        for object in plan.series.objects() {
            if is_built(&built.source, &object, &actual)? {
                arguments.push(object);
            }
        }
        let log = cache.log(&format!("{}-objects", self.name));
        let compile = kbuild.make(&built.source, &arguments);
        run::logged("compiling what the patches change", &compile, &log, |_| {
            None
        })?;
        fs::write(stamp, plan.inputs.text())?;
        Ok(built)
    }
}

/// Whether a kernel with these options has the object: its directory's Makefile may want one for
/// it, as in `obj-$(CONFIG_TASK_DELAY_ACCT) += delayacct.o`.
fn is_built(source: &Path, object: &str, options: &Options) -> Result<bool> {
    let (folder, name) = object.rsplit_once('/').unwrap_or(("", object));
    let path = source.join(folder).join("Makefile");
    let makefile =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let wants = makefile.lines().find_map(|line| {
        let (option, objects) = line.strip_prefix("obj-$(")?.split_once(')')?;
        objects
            .split_whitespace()
            .any(|it| it == name)
            .then_some(option)
    });
    Ok(wants.is_none_or(|option| options.get(option) != "n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_built_if_its_option_is_on() {
        let source = tempfile::tempdir().unwrap();
        fs::create_dir(source.path().join("kernel")).unwrap();
        fs::write(
            source.path().join("kernel/Makefile"),
            "obj-y = fork.o\nobj-$(CONFIG_TASKSTATS) += taskstats.o tsacct.o\n",
        )
        .unwrap();
        let on = Options::parse("CONFIG_TASKSTATS=y\n").unwrap();
        let off = Options::default();
        let is_built = |object, options| is_built(source.path(), object, options).unwrap();
        assert!(is_built("kernel/tsacct.o", &on));
        assert!(!is_built("kernel/tsacct.o", &off));
        assert!(is_built("kernel/fork.o", &off));
    }

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
