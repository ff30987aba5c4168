// SPDX-License-Identifier: GPL-2.0

//! Random messages to C and to Rust in the same boot: the same errno, the same answer.
//!
//! To load the module for each message would take too long, so they go in batches: all to C, the
//! module is loaded, all to Rust, it is unloaded, and the answers are compared. What differs is put
//! to C, Rust and C again, for a task that did not stand still differs as well. What still differs
//! is made smaller as long as it does, printed, and belongs into `fuzz/cases.txt`, which is
//! replayed at the start of each run.
//!
//! - What is sent: [`case`], made by [`generate`] of what is there to ask for: [`world`].
//! - How it is sent: [`ask`]. What must be equal: [`verdict`]. What came back, in numbers:
//!   [`tally`].
//! - How a case becomes small: [`minimise`], and text: [`text`].

pub mod ask;
pub mod case;
pub mod generate;
pub mod minimise;
pub mod run;
pub mod tally;
pub mod text;
pub mod verdict;
pub mod world;
