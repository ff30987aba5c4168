// SPDX-License-Identifier: GPL-2.0
//! Building a kernel: patched, configured, compiled, each step kept and continued where it was
//! interrupted.

mod objects;
mod plan;

use std::{fs, path::PathBuf};

use anyhow::{Result, bail};

use crate::{
    Built, Cache, Config, Project, accounting, config::Options, hint::hint, make::Kbuild,
    progress, run, setup, source::Source, space, toolchain::vng,
};
pub(crate) use plan::Plan;

/// What to build.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The configuration.
    pub config: Config,
    /// A tarball of Linux 7.3 to use instead of Debian's. Later builds stay with it.
    pub tarball: Option<PathBuf>,
    /// Takes the newest 7.3.z that the mirror has, instead of what the cache has.
    pub update: bool,
}

/// Finds the built kernel of this work tree: its patches, its configuration, this machine's
/// compilers.
///
/// Builds, installs and fetches nothing. An error says what to run where something is not there.
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
    if !vng::is_installed(&cache) {
        bail!(
            "virtme-ng is not installed: run `{}` first",
            config.make_command()
        );
    }
    Ok(built)
}

/// Builds a kernel with everything that this takes, from setting up the machine on. Does nothing
/// where it is built.
pub fn build(request: &Request) -> Result<Built> {
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "the kernel is configured for x86_64, this machine is {}",
            std::env::consts::ARCH
        );
    }
    let is_plain = request.tarball.is_none() && !request.update;
    if is_plain && setup::is_complete()? {
        if let Ok(built) = built(request.config) {
            return Ok(built);
        }
    }
    let cache = Cache::open()?;
    let project = Project::find()?;
    let _lock = cache.lock("kernel")?;
    let toolchain = setup::prepare(&cache)?;
    let source = Source::get(&cache, request.tarball.as_deref(), request.update)?;
    let plan = Plan::new(&cache, &project, request.config, toolchain, source)?;
    let built = plan.built(&cache, &project);
    if plan.is_complete(&built) {
        return Ok(built);
    }
    progress::say(&format!(
        "building Linux {} as `{}` in {}",
        plan.source.version,
        request.config,
        built.build.display()
    ));
    plan.source.unpack(&cache, &plan.series, &built.source)?;
    space::check(cache.root(), space::BUILD)?;
    let kbuild = Kbuild::for_kernel(&cache, &plan.toolchain)?;
    configure(&cache, &plan, &kbuild, &built)?;
    compile(&cache, &plan, &kbuild, &built)?;
    accounting::build(
        &cache,
        &plan.toolchain,
        &kbuild,
        &built.source,
        &built.build,
        &built.accounting,
    )?;
    plan.complete(&built)?;
    Ok(built)
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
