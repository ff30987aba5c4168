// SPDX-License-Identifier: GPL-2.0

//! Taskstats, the kernel's per-task statistics interface, in Rust.
//!
//! While this module is loaded, it answers in the place of `kernel/taskstats.c`: the requests that
//! user space sends to the generic netlink family TASKSTATS ([`query`], [`cgroupstats`]), and the
//! records of exiting tasks ([`exit`]) to those who registered for them ([`listeners`]). What is
//! counted of a task is in [`record`]. These files contain no `unsafe`; they stand on safe types
//! for generic netlink ([`genetlink`]) and for what they need of the kernel.
//!
//! C header: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h)

#![crate_name = "rust_taskstats"]

use kernel::{
    prelude::*,
    try_init,
    try_pin_init, //
};

mod aggregate;
mod cgroup;
mod cgroupstats;
mod cpu_list;
mod exit;
mod genetlink;
mod listeners;
mod namespace;
mod node;
mod per_cpu;
mod provider;
mod query;
mod record;
mod rw_semaphore;
mod sighand;
mod task;
mod uapi;

use crate::{
    genetlink::{
        Family,
        Operation, //
    },
    listeners::Listeners,
    provider::Provider, //
};

module! {
    type: TaskstatsModule,
    name: "rust_taskstats",
    authors: ["The rust-taskstats developers"],
    description: "Per-task statistics over generic netlink",
    license: "GPL",
}

/// What requests and exiting tasks share.
struct Taskstats {
    listeners: Listeners,
}

impl genetlink::Operations for Taskstats {
    const NAME: &'static [u8] = uapi::TASKSTATS_GENL_NAME;
    const VERSION: u32 = uapi::TASKSTATS_GENL_VERSION;
    // Strict header checks begin behind the last command that C knows.
    const RESV_START_OP: u8 = uapi::CGROUPSTATS_CMD_GET as u8 + 1;
    const OPS: &'static [Operation<Self>] = &[
        Operation::new::<query::Get>(),
        Operation::new::<cgroupstats::Get>(),
    ];
}

/// The module: the provider is attached as long as it exists.
#[pin_data]
struct TaskstatsModule {
    #[pin]
    _provider: Provider<Taskstats>,
}

impl kernel::InPlaceModule for TaskstatsModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Attaching is the last thing that happens: nothing after it may fail.
            _provider <- Provider::attach(Family::new(
                module,
                try_init!(Taskstats { listeners: Listeners::new()? }),
            )),
        })
    }
}
