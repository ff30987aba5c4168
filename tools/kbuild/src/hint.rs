// SPDX-License-Identifier: GPL-2.0
//! What helps, at the end of an error: where people look first.

use anyhow::{Result, anyhow};

/// Puts a line with advice behind an error.
pub(crate) fn hint<T>(result: Result<T>, advice: &str) -> Result<T> {
    result.map_err(|error| anyhow!("{error:#}\n{advice}"))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn advice_comes_last() {
        let failed: Result<()> = Err(anyhow!("the cause")).context("the step");
        let error = hint(failed, "The advice.").unwrap_err();
        assert_eq!(format!("{error:#}"), "the step: the cause\nThe advice.");
        assert!(hint(Ok(()), "The advice.").is_ok());
    }
}
