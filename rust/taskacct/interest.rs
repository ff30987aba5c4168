// SPDX-License-Identifier: GPL-2.0

//! Who wants to know of tasks that exit: what an exit looks at first, and without a lock.

use crate::seam::Interest;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// All reasons to look at the others.
pub(super) static INTEREST: Interest = Interest::none();

/// Whether what exits is counted for control groups.
pub(super) static COUNTS: Flag = Flag(Atomic::new(false));

/// Whether the group `exits` has, or has had, members.
pub(super) static MEMBERS: Flag = Flag(Atomic::new(false));

/// A reason that there is or is not.
pub(super) struct Flag(Atomic<bool>);

impl Flag {
    /// Returns whether the reason is there.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Has the reason be there, or not. It may be so already.
    pub(super) fn set(&self, is_there: bool) {
        if self.0.xchg(is_there, Relaxed) != is_there {
            if is_there {
                INTEREST.begin();
            } else {
                INTEREST.end();
            }
        }
    }
}
