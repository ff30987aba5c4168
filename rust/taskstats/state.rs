// SPDX-License-Identifier: GPL-2.0

//! What requests and exiting tasks share.

use super::listeners::Listeners;
use crate::seam::{
    ExitObserver,
    Interest, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    try_init, //
};

/// What requests and exiting tasks share.
pub(crate) struct Taskstats {
    pub(super) listeners: Arc<Listeners>,
    pub(super) observer: &'static (dyn ExitObserver + Send),
    /// That of the observer.
    pub(super) interest: &'static Interest,
}

impl Taskstats {
    /// Returns an initializer; nobody listens yet. The observer is told of all tasks that exit, as
    /// long as it wants to know.
    pub(crate) fn new(observer: &'static (dyn ExitObserver + Send)) -> impl Init<Self, Error> {
        try_init!(Self {
            observer,
            interest: observer.interest(),
            listeners: Arc::new(Listeners::new()?, GFP_KERNEL)?,
        })
    }
}
