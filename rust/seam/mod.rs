// SPDX-License-Identifier: GPL-2.0

//! How the module gets its place in the kernel.

pub(crate) mod slot;
