// SPDX-License-Identifier: GPL-2.0

//! After all other tests: that none of them made the kernel lose memory.

use std::sync::Arc;

use anyhow::ensure;
use libtest_mimic::Trial;

use crate::{context::Context, kmemleak::Kmemleak};

/// The test, with the detector that forgot before the other tests what was lost already.
pub fn trial(context: &Arc<Context>, kmemleak: Kmemleak) -> Trial {
    context.trial("leaks::nothing_is_unreferenced", move |_, _| {
        let found = kmemleak.find()?;
        ensure!(found.is_empty(), "lost memory:\n{found}");
        Ok(())
    })
}
