// SPDX-License-Identifier: GPL-2.0

//! What requests and exiting tasks share.

use super::listeners::Listeners;
use crate::seam::ExitObserver;
use kernel::{
    prelude::*,
    sync::Arc,
    try_init, //
};

/// What requests and exiting tasks share.
pub(crate) struct Taskstats {
    pub(super) listeners: Arc<Listeners>,
    pub(super) observer: &'static (dyn ExitObserver + Send),
}

impl Taskstats {
    /// Returns an initializer; nobody listens yet. The observer is told of all tasks that exit.
    pub(crate) fn new(observer: &'static (dyn ExitObserver + Send)) -> impl Init<Self, Error> {
        try_init!(Self {
            observer,
            listeners: Arc::new(Listeners::new()?, GFP_KERNEL)?,
        })
    }
}
