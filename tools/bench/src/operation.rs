// SPDX-License-Identifier: GPL-2.0

//! Something whose cost is counted, and how.

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};

use crate::statistics::quantile;

/// Something that can be done any number of times.
pub(crate) trait Operation {
    /// Does it so often, and nothing else: what is needed has been prepared, no memory is
    /// allocated.
    fn run(&mut self, times: u32) -> Result<()>;

    /// How it is counted.
    fn method(&self) -> Method {
        MEDIAN
    }

    /// Clears away what doing it left, and checks that it was done. Not counted.
    fn tidy(&mut self, _times: u32) -> Result<()> {
        Ok(())
    }
}

/// How something is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Method {
    /// How many blocks count.
    pub(crate) blocks: usize,
    /// How often at most it is done in a block.
    pub(crate) most: u32,
    /// The part of the blocks that are cheaper than the result.
    pub(crate) quantile: f64,
}

/// For what costs the same each time, but for the clock's interrupt.
const MEDIAN: Method = Method {
    blocks: 31,
    most: 1_000,
    quantile: 0.5,
};

/// For what now and then has to do deferred work: freeing memory after a grace period of RCU, or
/// allocating a slab. Done one by one, that falls into some of the times only, most of which cost
/// more than the result.
pub(crate) const ONE_BY_ONE: Method = Method {
    blocks: 301,
    most: 1,
    quantile: 0.2,
};

/// About the instructions of a block: few enough that the clock's interrupt, every four million,
/// falls into few blocks, and enough that reading the clock does not matter.
const BLOCK: u64 = 200_000;
/// Blocks before the first that counts.
const WARM_UP: usize = 3;

/// What doing it once costs, in instructions.
pub(crate) fn cost(operation: &mut dyn Operation) -> Result<f64> {
    let method = operation.method();
    let mut block = |times| -> Result<u64> {
        let begin = instructions();
        operation.run(times)?;
        let end = instructions();
        operation.tidy(times)?;
        Ok(end - begin)
    };
    block(1)?;
    let once = block(1)?.max(1);
    let times = (BLOCK / once).clamp(1, method.most.into()) as u32;
    for _ in 0..WARM_UP {
        block(times)?;
    }
    let mut costs = vec![0.0; method.blocks];
    for cost in &mut costs {
        *cost = block(times)? as f64 / f64::from(times);
    }
    quantile(&costs, method.quantile).context("no blocks")
}

/// The instructions so far, where the guest's clock counts them.
pub(crate) fn instructions() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC)
}

/// The instructions that this thread spent itself: without those that pass while it waits.
pub(crate) fn own_instructions() -> u64 {
    nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("every Linux has this clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}
