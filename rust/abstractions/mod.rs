// SPDX-License-Identifier: GPL-2.0

//! Safe types over what the module needs of the kernel and the kernel crate does not have.
//!
//! Nothing here knows what is accounted, or how it is sent.

pub(crate) mod access;
pub(crate) mod cgroup;
#[cfg(CONFIG_CGROUPS)]
pub(crate) mod cgroup_lifetime;
pub(crate) mod cpumask;
pub(crate) mod credentials;
pub(crate) mod delays;
pub(crate) mod mm;
pub(crate) mod namespace;
pub(crate) mod numa;
pub(crate) mod per_cpu;
pub(crate) mod pids;
pub(crate) mod place;
pub(crate) mod rw_semaphore;
pub(crate) mod task;
pub(crate) mod thread_group;
pub(crate) mod time;
