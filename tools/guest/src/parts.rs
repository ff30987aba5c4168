// SPDX-License-Identifier: GPL-2.0
//! The files that a guest is made of.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use kbuild::Config;

use crate::guest::{Guest, Implementation};

/// The files that a guest is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) image: PathBuf,
    /// Whether what the guest boots with is in modules, which lie beside the image.
    pub(crate) is_modular: bool,
    pub(crate) module: Option<PathBuf>,
}

impl Parts {
    /// What was named for the guest, and the rest with the built kernel.
    pub(crate) fn of(guest: &Guest) -> Result<Self> {
        let wants_module = guest.implementation == Implementation::Rust;
        let built = if guest.image.is_some() && (guest.module.is_some() || !wants_module) {
            None
        } else {
            Some(kbuild::built(guest.config)?)
        };
        let part = |named: &Option<PathBuf>, built: Option<PathBuf>| -> Result<PathBuf> {
            let path = named
                .clone()
                .or(built)
                .context("a part of the guest is not named")?;
            let path = std::path::absolute(path)?;
            if !path.is_file() {
                bail!("{} is not there", path.display());
            }
            Ok(path)
        };
        Ok(Self {
            is_modular: guest.image.is_none() && guest.config == Config::Debian,
            image: part(
                &guest.image,
                built.as_ref().map(|built| built.image.clone()),
            )?,
            module: match wants_module {
                true => Some(part(&guest.module, built.map(|built| built.module))?),
                false => None,
            },
        })
    }
}
