// SPDX-License-Identifier: GPL-2.0
//! Building a kernel: patched, configured, compiled, each step kept and continued where it was
//! interrupted.

pub(crate) mod debian;
mod objects;
mod plan;

use std::{fs, path::Path};

use anyhow::{Result, bail};

use crate::{
    Built, Cache, Config, Project, accounting, config::Options, hint::hint, make::Kbuild, progress,
    run, source::Source, space, toolchain::Toolchain,
};
pub(crate) use plan::Plan;

/// Finds the built kernel of this work tree: its patches, its configuration, the environment's
/// compilers.
///
/// Builds and fetches nothing. An error says what to run where something is not there.
pub fn built(config: Config) -> Result<Built> {
    let cache = Cache::open()?;
    let project = Project::find()?;
    let plan = Plan::of_what_is_there(&cache, &project, config)?;
    let built = plan.built(&cache, &project);
    if !plan.is_complete(&built) {
        bail!(
            "the kernel `{config}` is not built with these patches, options and compilers: \
             run `{}` first",
            config.make_command()
        );
    }
    Ok(built)
}

/// Builds a kernel with everything that this takes, from fetching its source on. Does nothing where
/// it is built.
pub fn build(config: Config) -> Result<Built> {
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "the kernel is configured for x86_64, this machine is {}",
            std::env::consts::ARCH
        );
    }
    if let Ok(built) = built(config) {
        return Ok(built);
    }
    let cache = Cache::open()?;
    let project = Project::find()?;
    let _lock = cache.lock_kernels()?;
    let source = Source::get(&cache)?;
    let plan = Plan::new(&cache, &project, config, Toolchain::find()?, source)?;
    let built = plan.built(&cache, &project);
    if plan.is_complete(&built) {
        return Ok(built);
    }
    progress::say(&format!(
        "{} Linux {} as `{config}` in {}",
        match config {
            Config::Debian => "preparing Debian's",
            _ => "building",
        },
        plan.source.version,
        built.build.display()
    ));
    plan.source.unpack(&cache, &plan.series, &built.source)?;
    space::check(cache.root(), space::BUILD)?;
    make_clean(&built.source)?;
    let kbuild = Kbuild::for_kernel(&cache);
    if config == Config::Debian {
        debian::prepare(&cache, &plan, &built)?;
    } else {
        configure(&cache, &plan, &kbuild, &built)?;
        compile(&cache, &plan, &kbuild, &built)?;
    }
    accounting::build(
        &cache,
        &kbuild,
        &built.source,
        &built.build,
        &built.accounting,
    )?;
    plan.complete(&cache, &built)?;
    Ok(built)
}

/// What a build in the source itself leaves, such as `make headers_install`. Kbuild then refuses to
/// build in a directory of its own.
const LEFT_BY_BUILDS: [&str; 4] = [
    ".config",
    "include/config",
    "include/generated",
    "arch/x86/include/generated",
];

/// Removes what a build in the source left.
pub(crate) fn make_clean(source: &Path) -> Result<()> {
    for name in LEFT_BY_BUILDS {
        let path = source.join(name);
        if !path.exists() {
            continue;
        }
        progress::say(&format!(
            "somebody has built in the source itself: removing {}",
            path.display()
        ));
        match path.is_dir() {
            true => fs::remove_dir_all(path)?,
            false => fs::remove_file(path)?,
        }
    }
    Ok(())
}

/// Makes the configuration, and makes sure that it is the one which was asked for.
pub(crate) fn configure(cache: &Cache, plan: &Plan, kbuild: &Kbuild, built: &Built) -> Result<()> {
    let stamp = built.build.join("configured");
    if stamp.is_file() {
        return Ok(());
    }
    fs::create_dir_all(&built.build)?;
    let log = cache.log(&format!("{}-configure", plan.name));
    let output = format!("O={}", built.build.display());
    let rust = kbuild.make(&built.source, &[output.clone(), "rustavailable".into()]);
    run::logged(
        "asking the kernel whether it takes these compilers",
        &rust,
        &log,
        |_| None,
    )?;
    let fragment = built.build.join("fragment.config");
    fs::write(&fragment, plan.options.to_string())?;
    let all = format!("KCONFIG_ALLCONFIG={}", fragment.display());
    let make = kbuild.make(&built.source, &[output, all, "allnoconfig".into()]);
    run::logged("configuring the kernel", &make, &log, |_| None)?;
    let actual = Options::parse(&fs::read_to_string(built.build.join(".config"))?)?;
    let missing = plan.options.missing_from(&actual);
    if !missing.is_empty() {
        bail!(
            "the kernel did not take all options of `{}`:\n{}",
            plan.name,
            missing.join("\n")
        );
    }
    fs::write(stamp, plan.inputs.text())?;
    Ok(())
}

/// Compiles the image, and what building modules against it takes.
fn compile(cache: &Cache, plan: &Plan, kbuild: &Kbuild, built: &Built) -> Result<()> {
    let log = cache.log(&format!("{}-build", plan.name));
    let mut objects = objects::Count::begin(cache, &plan.name, &built.build);
    let arguments = [
        format!("O={}", built.build.display()),
        "bzImage".into(),
        "modules".into(),
    ];
    let title = format!("compiling Linux {}", plan.source.version);
    let make = kbuild.make(&built.source, &arguments);
    let made = run::logged(&title, &make, &log, |new| objects.follow(new));
    hint(made, "The same command continues where it stopped.")?;
    objects.remember(cache, &plan.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_in_the_source_is_undone() {
        let temp = tempfile::tempdir().unwrap();
        let source = temp.path();
        let generated = source.join("arch/x86/include/generated");
        fs::create_dir_all(&generated).unwrap();
        fs::create_dir_all(source.join("include/linux")).unwrap();
        fs::write(source.join(".config"), "").unwrap();
        make_clean(source).unwrap();
        assert!(!generated.exists() && !source.join(".config").exists());
        assert!(source.join("include/linux").exists());
    }
}
