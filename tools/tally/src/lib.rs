// SPDX-License-Identifier: GPL-2.0

//! Results of tests in the format that the kernel's own tests write.

pub mod ktap;
