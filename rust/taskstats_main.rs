// SPDX-License-Identifier: GPL-2.0

//! Taskstats, the kernel's per-task statistics interface, in Rust.
//!
//! While this module is loaded, it answers in the place of `kernel/taskstats.c`: the requests that
//! user space sends to the generic netlink family TASKSTATS ([`query`], [`cgroupstats`]), and the
//! records of exiting tasks ([`exit`]) to those who registered for them ([`listeners`]). What a
//! record says is in [`layout`]; [`basic`] and [`extended`] fill it, [`process`] sums it up. These
//! files contain no `unsafe`; they stand on safe types for generic netlink ([`genetlink`]) and for
//! what they need of the kernel, such as a view of a task ([`task`]).
//!
//! C header: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h)

#![crate_name = "rust_taskstats"]

use kernel::{
    prelude::*,
    sync::Arc,
    try_init,
    try_pin_init, //
};

mod aggregate;
mod basic;
mod cgroup;
mod cgroupstats;
mod cpu_list;
mod credentials;
mod delay;
mod exit;
mod extended;
mod genetlink;
mod layout;
mod listeners;
mod mm;
mod namespace;
mod node;
#[cfg(test_build)]
mod oracle;
mod per_cpu;
mod process;
mod provider;
mod query;
mod record;
mod rw_semaphore;
mod sighand;
mod task;
#[cfg(test_build)]
mod tests;
mod time;
mod uapi;

use crate::{
    genetlink::{
        Family,
        Operation, //
    },
    listeners::{
        Listeners,
        Registration, //
    },
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
    listeners: Arc<Listeners>,
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

    /// A registration ends with its socket.
    type SocketPrivate = Registration;
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
                try_init!(Taskstats { listeners: Arc::new(Listeners::new()?, GFP_KERNEL)? }),
            )),
        })
    }
}
