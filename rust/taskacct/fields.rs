// SPDX-License-Identifier: GPL-2.0

//! The groups of fields that are asked for.

use super::uapi::{
    TASKACCT_A_TASK_FIELDS,
    TASKACCT_FIELD_DELAYS,
    TASKACCT_FIELD_DELAY_EXTREMES,
    TASKACCT_FIELD_IO,
    TASKACCT_FIELD_MASK,
    TASKACCT_FIELD_MEMORY, //
};
use crate::genetlink::{
    Attribute,
    Attributes, //
};
use kernel::prelude::*;

/// Groups of fields, `TASKACCT_FIELD_*`.
#[derive(Clone, Copy)]
pub(super) struct Fields(u32);

impl Fields {
    /// What this kernel can count, all groups of it.
    pub(super) const COUNTED: Self = Self(if cfg!(CONFIG_TASK_XACCT) {
        TASKACCT_FIELD_MASK
    } else {
        TASKACCT_FIELD_MASK & !(TASKACCT_FIELD_MEMORY | TASKACCT_FIELD_IO)
    });

    /// Returns what a request asks for, all without the attribute.
    pub(super) fn wanted(attributes: Attributes<'_>) -> Result<Self> {
        Self::of_attribute(attributes.get(TASKACCT_A_TASK_FIELDS))
    }

    /// Returns what an attribute says, all without one.
    pub(super) fn of_attribute(fields: Option<Attribute<'_>>) -> Result<Self> {
        let mut fields = match fields {
            Some(fields) => fields.u32()?,
            None => TASKACCT_FIELD_MASK,
        };
        if fields & TASKACCT_FIELD_DELAY_EXTREMES != 0 {
            fields |= TASKACCT_FIELD_DELAYS;
        }
        Ok(Self(fields & Self::COUNTED.0))
    }

    /// Returns whether `group` is among them.
    #[inline]
    pub(super) const fn has(self, group: u32) -> bool {
        self.0 & group != 0
    }

    /// Returns them as they are in an attribute.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }
}
