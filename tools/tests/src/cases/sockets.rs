// SPDX-License-Identifier: GPL-2.0

//! Whom a registration belongs to: under C a port id, under Rust the socket. These are the
//! differences of [`OF_LISTENERS`]; what C does is demanded as well, so that an entry goes when C
//! changes.

use std::{
    process::{Child, Command},
    sync::Arc,
    thread,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Uid, seteuid},
};

use crate::{
    cases::listeners::{CPUS, end_on_all, hears},
    clone_as_vfork::end_on,
    context::Context,
    debug_kernel_limits,
    implementation::Implementation,
    intended_differences::OF_LISTENERS,
    listener::Listener,
    peer::{limit, wait_until},
    slab::Caches,
};

const NOBODY: Uid = Uid::from_raw(65534);

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    type Case = fn(Implementation) -> anyhow::Result<()>;
    let cases: [(&str, Case); 6] = [
        ("a_port_id_is_not_inherited", not_inherited),
        ("a_registration_is_one_of_the_heir_alone", registered_again),
        ("another_network_namespace", network_namespace),
        ("a_closed_listener_is_freed", freed),
        ("a_closed_listener_is_on_no_cpu", on_no_cpu),
        ("a_port_id_changes_hands_while_tasks_exit", changes_hands),
    ];
    cases
        .into_iter()
        .map(|(name, case)| {
            context.trial(format!("sockets::{name}"), move |context, _| {
                for implementation in [Implementation::C, Implementation::Rust, Implementation::C] {
                    context.switch.to(implementation)?;
                    case(implementation).with_context(|| format!("under {implementation:?}"))?;
                }
                Ok(())
            })
        })
        .collect()
}

/// Why Rust does otherwise.
fn reason(case: &str) -> anyhow::Result<&'static str> {
    let entry = OF_LISTENERS.iter().find(|entry| entry.case == case);
    Ok(entry
        .with_context(|| format!("{case} is not an intended difference"))?
        .reason)
}

/// A socket with this port id that a process without privileges could have opened.
fn heir_of(port: u32) -> anyhow::Result<Listener> {
    seteuid(NOBODY)?;
    let heir = Listener::open(port);
    seteuid(Uid::from_raw(0))?;
    let heir = heir?;
    ensure!(heir.port() == port, "another port id");
    Ok(heir)
}

fn not_inherited(implementation: Implementation) -> anyhow::Result<()> {
    let closed = Listener::on("0-1")?;
    let port = closed.port();
    drop(closed);
    let mut heir = heir_of(port)?;
    let ended = end_on_all()?;
    let expected: &[usize] = match implementation {
        Implementation::C => &CPUS,
        Implementation::Rust => &[],
    };
    hears(&mut heir, &ended, expected).context(reason("port id")?)?;
    drop(heir);
    // C drops it now.
    end_on_all().map(drop)
}

fn registered_again(_: Implementation) -> anyhow::Result<()> {
    let closed = Listener::on("0-1")?;
    let port = closed.port();
    drop(closed);
    let mut heir = Listener::open(port)?;
    heir.register("0")?;
    heir.deregister("0")?;
    heir.register("0-1")?;
    // Of each task once, whatever is left of the one before.
    let ended = end_on_all()?;
    hears(&mut heir, &ended, &CPUS)?;
    heir.deregister("0-1")?;
    let ended = end_on_all()?;
    hears(&mut heir, &ended, &[]).map(drop)
}

fn network_namespace(implementation: Implementation) -> anyhow::Result<()> {
    // The same in both namespaces; C sends to the initial one.
    const PORT: u32 = 0x5453_0001;
    let mut here = Listener::open(PORT)?;
    let elsewhere = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let mut listener = Listener::open(PORT)?;
        listener.register("0-1")?;
        anyhow::Ok(listener)
    });
    let mut elsewhere = elsewhere.join().expect("the thread returns")?;
    let ended = end_on_all()?;
    let (registered, bystander): (&[usize], &[usize]) = match implementation {
        Implementation::C => (&[], &CPUS),
        Implementation::Rust => (&CPUS, &[]),
    };
    hears(&mut elsewhere, &ended, registered).context(reason("network namespace")?)?;
    hears(&mut here, &ended, bystander).context(reason("network namespace")?)?;
    elsewhere.deregister("0-1")
}

/// How many objects the kernel's caches hold: a socket that is referred to stays.
fn objects(caches: &mut Caches) -> anyhow::Result<i64> {
    Ok(caches.counts()?.values().sum())
}

fn freed(_: Implementation) -> anyhow::Result<()> {
    let many = debug_kernel_limits::times(200, 20);
    // What is made once stays; what is made each time shows.
    open_and_close(10)?;
    let mut caches = Caches::open()?;
    let before = objects(&mut caches)?;
    open_and_close(many)?;
    if !Caches::tell() {
        return Ok(());
    }
    wait_until("closed listeners to be freed", || {
        Ok(objects(&mut caches)? - before < many as i64 / 2)
    })
}

fn open_and_close(times: usize) -> anyhow::Result<()> {
    for _ in 0..times {
        drop(Listener::on("0-1")?);
    }
    end_on_all().map(drop)
}

/// Under C it stays on each list until sending a record to it fails; under Rust it is gone at once.
/// Either way the next listener is the only one.
fn on_no_cpu(_: Implementation) -> anyhow::Result<()> {
    for _ in 0..20 {
        drop(Listener::on("0-1")?);
    }
    let mut next = Listener::on("0-1")?;
    let ended = end_on_all()?;
    hears(&mut next, &ended, &CPUS)?;
    next.deregister("0-1")
}

/// Tasks that exit without end, on a CPU.
struct Exits(Child);

impl Exits {
    fn on(cpu: usize) -> anyhow::Result<Self> {
        let shell = "while :; do (:); done";
        let child = Command::new("taskset")
            .args(["-c", &cpu.to_string(), "sh", "-c", shell])
            .spawn();
        child.map(Self).context("starting tasks that exit")
    }
}

impl Drop for Exits {
    fn drop(&mut self) {
        // Nothing to be done about one that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The moment between a port id that is free and a registration that is gone: whoever takes the
/// port id in it hears nothing under Rust.
///
/// Under C that is tried until the next socket has inherited something, under Rust so many times.
fn changes_hands(implementation: Implementation) -> anyhow::Result<()> {
    let times = debug_kernel_limits::times(40, 10);
    let exits = [Exits::on(0)?, Exits::on(1)?];
    let started = Instant::now();
    let mut inherited = 0;
    let mut tried = 0;
    while match implementation {
        Implementation::C => inherited == 0 && started.elapsed() < limit(),
        Implementation::Rust => tried < times,
    } {
        tried += 1;
        let closed = Listener::on("0-1")?;
        let port = closed.port();
        let closing = thread::spawn(move || drop(closed));
        let mut heir = loop {
            // The port id is another's until it is free.
            if let Ok(heir) = Listener::open(port) {
                break heir;
            }
        };
        closing.join().expect("closing does not panic");
        end_on(0)?;
        inherited += heir.hear()?.messages.len();
    }
    drop(exits);
    end_on_all()?;
    match implementation {
        Implementation::C => ensure!(inherited > 0, "C does not do this any more"),
        Implementation::Rust => {
            ensure!(
                inherited == 0,
                "{inherited} records: {}",
                reason("port id")?
            );
        }
    }
    Ok(())
}
