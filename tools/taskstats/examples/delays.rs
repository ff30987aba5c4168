// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
//! How long a task has waited for a CPU: `delays PID`, with CAP_NET_ADMIN.

use taskstats::{Client, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: delays PID")?;
    let mut client = Client::connect(Options::default())?;
    let record = client.pid(pid.parse()?)?.record;
    let command = String::from_utf8_lossy(record.comm());
    println!(
        "{command} waited {} times for a CPU, {} ns in all",
        record.cpu_count, record.cpu_delay_total
    );
    Ok(())
}
