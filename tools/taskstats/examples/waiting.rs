// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
//! Which processes have waited longest for storage: `waiting`, without privileges for one's own,
//! in a kernel with rust_taskstats.

use taskstats::{
    DelayKind, Options,
    taskacct::{Fields, Filter, Taskacct},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut taskacct = Taskacct::connect(Options::default())?;
    let fields = Fields::IDENTITY | Fields::DELAYS;
    let filter = Filter {
        no_kernel_threads: true,
        ..Filter::default()
    };
    let mut waits = Vec::new();
    taskacct.processes(fields, &filter, |process| {
        let waited = process.delay(DelayKind::BlockIo).total;
        waits.extend(process.identity.map(|identity| (waited, identity)));
    })?;
    waits.sort_by_key(|(waited, _)| std::cmp::Reverse(*waited));
    for (waited, identity) in waits.iter().take(10) {
        println!("{} {}: {waited} ns", identity.pid, identity.name());
    }
    Ok(())
}
