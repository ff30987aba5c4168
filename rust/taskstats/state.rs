// SPDX-License-Identifier: GPL-2.0

//! What requests and exiting tasks share.

use super::listeners::Listeners;
use kernel::{
    prelude::*,
    sync::Arc,
    try_init, //
};

/// What requests and exiting tasks share.
pub(crate) struct Taskstats {
    pub(super) listeners: Arc<Listeners>,
}

impl Taskstats {
    /// Returns an initializer; nobody listens yet.
    pub(crate) fn new() -> impl Init<Self, Error> {
        try_init!(Self {
            listeners: Arc::new(Listeners::new()?, GFP_KERNEL)?,
        })
    }
}
