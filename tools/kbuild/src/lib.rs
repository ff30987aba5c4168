// SPDX-License-Identifier: GPL-2.0
//! The kernel that the module is made for, reproducibly: fetches, patches, configures and
//! builds Linux 7.3, and the module against it.
//!
//! Everything built lies outside the work tree, in a [`Cache`] keyed by what went in, so that
//! nothing is built twice on one machine. A program that only wants to use what is there calls
//! [`built`]:
//!
//! ```no_run
//! let kernel = kbuild::built(kbuild::Config::Lean)?;
//! println!("boot {} and load {}", kernel.image.display(), kernel.module.display());
//! # anyhow::Ok(())
//! ```

mod accounting;
mod archive;
mod cache;
pub mod check;
mod clean;
mod config;
mod hint;
mod image;
mod key;
mod layout;
mod make;
pub mod module;
mod package;
mod patches;
mod progress;
mod project;
mod run;
mod source;
mod space;
mod toolchain;
mod usage;
mod variant;

pub use cache::Cache;
pub use clean::clean;
pub use config::Config;
pub use image::{build, built};
pub use layout::Built;
pub use project::Project;
pub use usage::Usage;
