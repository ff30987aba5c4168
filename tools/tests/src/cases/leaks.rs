// SPDX-License-Identifier: GPL-2.0

//! After all other tests: that the kernel has lost no memory, in none of them and before.

use std::sync::Arc;

use anyhow::ensure;
use libtest_mimic::Trial;

use crate::{context::Context, kmemleak::Kmemleak};

/// The test.
pub fn trial(context: &Arc<Context>) -> Trial {
    context.trial("leaks::nothing_is_unreferenced", |_, _| {
        let found = Kmemleak::open()?.find()?;
        ensure!(found.is_empty(), "lost memory:\n{found}");
        Ok(())
    })
}
