// SPDX-License-Identifier: GPL-2.0

//! Something whose cost is counted, and how.

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

use crate::statistics::median;

/// Something that can be done any number of times.
pub(crate) trait Operation {
    /// Does it so often, and nothing else: what is needed has been prepared, no memory is
    /// allocated.
    fn run(&mut self, times: u32) -> Result<()>;

    /// Clears away what doing it left, and checks that it was done. Not counted.
    fn tidy(&mut self, _times: u32) -> Result<()> {
        Ok(())
    }
}

/// About the instructions of a block: few enough that the clock's interrupt, every four million,
/// falls into few blocks, and enough that reading the clock does not matter.
const BLOCK: u64 = 200_000;
/// Blocks before the first that counts.
const WARM_UP: usize = 3;
/// Blocks that count. An odd number has a middle.
const BLOCKS: usize = 31;

/// The median over many blocks of what doing it once costs, in instructions.
pub(crate) fn cost(operation: &mut dyn Operation) -> Result<f64> {
    let mut block = |times| -> Result<u64> {
        let begin = instructions();
        operation.run(times)?;
        let end = instructions();
        operation.tidy(times)?;
        Ok(end - begin)
    };
    block(1)?;
    let once = block(1)?.max(1);
    let times = (BLOCK / once).clamp(1, 1_000) as u32;
    for _ in 0..WARM_UP {
        block(times)?;
    }
    let mut costs = [0.0; BLOCKS];
    for cost in &mut costs {
        *cost = block(times)? as f64 / f64::from(times);
    }
    Ok(median(&costs).expect("there are blocks"))
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
