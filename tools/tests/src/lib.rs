// SPDX-License-Identifier: GPL-2.0

//! What must hold of rust_taskstats, tested in a running kernel with C's taskstats as the oracle.
//!
//! The heart is [`differential`]: the same request is put to C and to Rust in one boot, and the
//! answers must be equal byte for byte, but for the few fields that move with the clock ([`moving`]),
//! which are checked against the clock instead, and for what is listed as intended
//! ([`intended_differences`]). A case is a closure that asks and returns the answers.
//!
//! - Who answers: [`implementation`].
//! - Who is asked for: [`workload`].
//! - Who exits, who is told of it and what cannot be equal then: [`exit`], [`clone_as_vfork`],
//!   [`storm`], [`listener`], [`exit_moving`].
//! - Who asks: [`caller`]; what is asked: [`requests`]; what came back and when: [`exchange`].
//! - What is equal: [`compare`].
//! - What is tested: [`cases`]; how much of it on the debug kernel: [`debug_kernel_limits`]; random
//!   messages: [`fuzz`]; all at once: [`soak`].
//! - What an independent client prints of taskacct: [`ynl_json`].
//! - Where it may run: [`guest_only`]; what is written of it: [`report`].
//! - What the kernel has to say of itself: [`kernel_config`], [`kernel_log`], [`kmemleak`],
//!   [`slab`].

pub mod caller;
pub mod cases;
pub mod cgroup;
pub mod clone_as_vfork;
pub mod compare;
pub mod context;
pub mod debug_kernel_limits;
pub mod differential;
pub mod exchange;
pub mod exit;
pub mod exit_moving;
pub mod faults;
pub mod fuzz;
pub mod guest_only;
pub mod hotplug;
pub mod implementation;
pub mod intended_differences;
pub mod kernel_config;
pub mod kernel_log;
pub mod kmemleak;
pub mod kunit;
pub mod listener;
pub mod moving;
pub mod oracle;
pub mod peer;
pub mod report;
pub mod request;
pub mod requests;
pub mod seam;
pub mod shard;
pub mod slab;
pub mod snapshot;
pub mod soak;
pub mod standstill;
pub mod stock;
pub mod storm;
pub mod thread_usage;
pub mod workload;
pub mod ynl_json;
