// SPDX-License-Identifier: GPL-2.0

//! Taskstats, the kernel's per-task statistics interface, in Rust.
//!
//! While this module is loaded, it answers in the place of `kernel/taskstats.c`: the requests that
//! user space sends to the generic netlink family TASKSTATS, and the records of exiting tasks to
//! those who registered for them. Beside it, it has a family of its own, taskacct, which shows all
//! tasks at once. From top to bottom:
//!
//! - [`taskstats`] and [`taskacct`]: what the families do;
//! - [`accounting`]: what is counted, one `struct taskstats`;
//! - [`seam`]: how the module gets its place in the kernel;
//! - [`genetlink`]: generic netlink, for any family;
//! - [`abstractions`]: safe types over what else is needed of the kernel.
//!
//! The first three forbid `unsafe`. What is imported is always further down, and `accounting` knows
//! no netlink; `make check` makes sure of that.
//!
//! C header: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h)

#![crate_name = "rust_taskstats"]

mod abstractions;
mod accounting;
mod genetlink;
mod seam;
mod taskacct;
mod taskstats;
#[cfg(test_build)]
mod test;

use crate::{
    genetlink::{
        Family,
        Registration, //
    },
    seam::Provider,
    taskacct::{
        Loaded,
        Taskacct, //
    },
    taskstats::Taskstats, //
};
use kernel::{
    module::this_module,
    prelude::*,
    try_pin_init, //
};

module! {
    type: TaskstatsModule,
    name: "rust_taskstats",
    authors: ["The rust-taskstats developers"],
    description: "Per-task statistics over generic netlink",
    license: "GPL",
}

static TASKACCT: Family<Taskacct> =
    Family::const_new(this_module::<TaskstatsModule>(), Taskacct::new());

/// The module: the family is registered, and the provider attached, as long as it exists.
#[pin_data]
struct TaskstatsModule {
    // The order matters: fields are dropped in it. Exiting tasks send to the groups of the family,
    // whose numbers may be others' once it has gone.
    #[pin]
    _provider: Provider<Taskstats>,
    _taskacct: Registration<Taskacct>,
    _loaded: Loaded,
}

impl kernel::InPlaceModule for TaskstatsModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        #[cfg(test_build)]
        test::oracle::install();

        try_pin_init!(Self {
            _loaded: TASKACCT.data().begin()?,
            _taskacct: TASKACCT.register()?,
            // Attaching is the last thing that happens: nothing after it may fail.
            _provider <- Provider::attach(Family::new(module, Taskstats::new(&TASKACCT))),
        })
    }
}
