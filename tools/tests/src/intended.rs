// SPDX-License-Identifier: GPL-2.0

//! Where Rust is meant to answer otherwise than C: all of it, each with its reason.

/// A difference that is meant.
pub struct Intended {
    /// The case, by the whole name of its test.
    pub case: &'static str,
    /// What was asked: the answer's label.
    pub label: &'static str,
    /// Where the answers differ, as the comparison names it.
    pub place: &'static str,
    /// Why Rust is to answer otherwise.
    pub reason: &'static str,
}

/// Every intended difference. An entry that does not show when its case runs fails that case.
pub const INTENDED: &[Intended] = &[];
