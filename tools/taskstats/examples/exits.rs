// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
//! What exits, for ten seconds: `exits`, with CAP_NET_ADMIN.

use std::time::{Duration, Instant};

use taskstats::{ExitListener, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = ExitListener::open(Options::default())?;
    let end = Instant::now() + Duration::from_secs(10);
    let mut records = Vec::new();
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        records.extend(listener.next(left)?);
    }
    records.extend(listener.settle(Duration::from_secs(5))?);
    for exit in &records {
        let record = &exit.task.record;
        let command = String::from_utf8_lossy(record.comm());
        println!(
            "{} {command}: {} us of CPU time",
            record.ac_pid,
            record.ac_utime + record.ac_stime
        );
    }
    println!("{} records, {:?}", records.len(), listener.lost());
    Ok(())
}
