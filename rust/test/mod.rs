// SPDX-License-Identifier: GPL-2.0

//! What is in the test build alone.

mod kunit;
pub(crate) mod oracle;
