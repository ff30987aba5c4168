// SPDX-License-Identifier: GPL-2.0
//! Making room: removing what an earlier state of the patches, the options or the machine left.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    iter,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::ValueEnum;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::{Cache, Config, Project, Usage, image::Plan, progress, source::Source, variant};

/// The environment variable that names the directory of the environment that this runs in.
const ROOT: &str = "RUST_TASKSTATS_ROOT";

/// Removes all kernels but those that this work tree uses as it is now, and all built modules but
/// its own.
///
/// What another work tree needs is built there again when it is next used.
pub fn clean() -> Result<()> {
    let cache = Cache::open()?;
    let project = Project::find()?;
    let _lock = cache.lock_kernels()?;
    let mut kept = BTreeSet::new();
    let mut all = Vec::new();
    for config in Config::value_variants() {
        all.push(Plan::of_what_is_there(&cache, &project, *config)?.built(&cache, &project));
    }
    for variant in variant::all(&project)? {
        all.push(variant.built(&cache, &project)?);
    }
    for built in all {
        kept.insert(built.source);
        kept.insert(built.build);
        for module in [built.module, built.test_module] {
            kept.extend(module.parent().map(Path::to_owned));
        }
    }
    let trees = entries(&cache.sources())?;
    let builds = trees
        .iter()
        .filter(|tree| kept.contains(*tree))
        .map(|tree| entries(tree))
        .collect::<Result<Vec<_>>>()?;
    let builds = builds
        .into_iter()
        .flatten()
        .filter(|path| file_name(path).starts_with("build-"));
    let mut all: Vec<PathBuf> = trees.iter().cloned().chain(builds).collect();
    all.retain(|path| path.is_dir() && !kept.contains(path));
    all.extend(Source::tarballs_of_others(&cache)?);
    for path in all {
        if in_use(&path)? {
            progress::say(&format!("{} is in use: it stays", path.display()));
        } else {
            remove(&path)?;
        }
    }
    environments(&cache)?;
    for path in entries(&cache.modules())? {
        if path.is_dir() && !kept.contains(&path) {
            // Another work tree may be building in it.
            let _lock = cache.lock(&format!("module/{}", file_name(&path)))?;
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes the environments other than the one that this runs in, and the packages that they were
/// made of.
fn environments(cache: &Cache) -> Result<()> {
    let own = env::var_os(ROOT).map(PathBuf::from);
    let directory = cache.environments();
    for path in entries(&directory)? {
        let is_environment = file_name(&path).starts_with("root-") && path.is_dir();
        if !is_environment || Some(&path) == own.as_ref() {
            continue;
        }
        // Whoever is in it holds the lock.
        let lock = path.with_extension("lock");
        let file = File::options().create(true).append(true).open(&lock)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                progress::say(&format!("{} is in use: it stays", path.display()));
            }
            other => {
                other?;
                remove(&path)?;
                remove(&lock)?;
            }
        }
    }
    let packages = directory.join("packages");
    if packages.is_dir() {
        remove(&packages)?;
    }
    Ok(())
}

/// Whether a guest runs one of the kernels in a directory.
fn in_use(directory: &Path) -> Result<bool> {
    let builds = entries(directory).unwrap_or_default();
    for build in iter::once(directory.to_owned()).chain(builds) {
        if Usage::is_locked(&build)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove(path: &Path) -> Result<()> {
    progress::say(&format!("removing {}", path.display()));
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
