// SPDX-License-Identifier: GPL-2.0

//! Who gets the records of exiting tasks: for each CPU, the sockets that registered for it.

#![forbid(unsafe_code)]

use crate::{
    cpu_list::CpuList,
    genetlink::Packet,
    node::box_near,
    per_cpu::PerCpu,
    rw_semaphore::{
        new_rw_semaphore,
        RwSemaphore, //
    },
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::atomic::{
        Atomic,
        AtomicFlag,
        Relaxed, //
    },
};

/// A socket that registered.
struct Listener {
    /// The port id of the socket, in the initial network namespace.
    portid: u32,
    /// There was nobody at this port id when a record was sent.
    gone: AtomicFlag,
    next: Option<KBox<Listener>>,
}

/// The listeners of a CPU, the youngest first.
#[derive(Default)]
struct List {
    first: Option<KBox<Listener>>,
}

impl List {
    fn iter(&self) -> impl Iterator<Item = &Listener> {
        core::iter::successors(self.first.as_deref(), |listener| listener.next.as_deref())
    }

    fn push(&mut self, mut listener: KBox<Listener>) {
        listener.next = self.first.take();
        self.first = Some(listener);
    }

    /// Removes the first `most` listeners that `unwanted` picks; returns how many there were.
    fn remove(&mut self, most: usize, unwanted: impl Fn(&Listener) -> bool) -> usize {
        let mut removed = 0;
        let mut place = &mut self.first;

        while removed < most {
            match place {
                None => break,
                Some(listener) if unwanted(listener) => {
                    *place = listener.next.take();
                    removed += 1;
                }
                Some(listener) => place = &mut listener.next,
            }
        }
        removed
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // One by one: the list may be longer than the stack is deep.
        self.remove(usize::MAX, |_| true);
    }
}

/// The listeners of one CPU.
#[pin_data]
pub(crate) struct CpuListeners {
    #[pin]
    list: RwSemaphore<List>,
    /// How many there are, for a look without the lock.
    count: Atomic<usize>,
    /// The sequence number of the next message.
    sequence: Atomic<u32>,
}

impl CpuListeners {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_rw_semaphore!(List::default(), c"taskstats_listeners"),
            count: Atomic::new(0),
            sequence: Atomic::new(0),
        })
    }

    /// Tells whether there are none. A listener that registers at this moment may be missed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// Returns the sequence number of the next message, which it uses up.
    #[inline]
    pub(crate) fn next_sequence(&self) -> u32 {
        self.sequence.fetch_add(1, Relaxed)
    }

    fn add(&self, listener: KBox<Listener>) {
        let mut list = self.list.write();

        if list
            .iter()
            .any(|other| other.portid == listener.portid && !other.gone.load(Relaxed))
        {
            // The box is freed behind the lock: it was declared before the guard.
            return;
        }
        list.push(listener);
        self.count.add(1, Relaxed);
    }

    fn remove(&self, most: usize, unwanted: impl Fn(&Listener) -> bool) {
        let mut list = self.list.write();
        let removed = list.remove(most, unwanted);

        self.count.fetch_sub(removed, Relaxed);
    }

    /// Sends a message to each listener, and removes those whose socket is not there any more. All
    /// but the last get a clone of it. Mirrors `send_cpu_listeners()`.
    pub(crate) fn send(&self, packet: Packet) {
        if self.send_to_each(packet) {
            self.remove(usize::MAX, |listener| listener.gone.load(Relaxed));
        }
    }

    /// Tells whether a listener's socket was not there any more.
    fn send_to_each(&self, packet: Packet) -> bool {
        let list = self.list.read();
        let mut listeners = list.iter().peekable();
        let mut packet = Some(packet);
        let mut any_gone = false;

        while let Some(listener) = listeners.next() {
            let Some(this) = packet.take() else { break };

            if listeners.peek().is_some() {
                match this.try_clone() {
                    Ok(clone) => packet = Some(clone),
                    // As in C: this listener and all that follow get nothing.
                    Err(AllocError) => break,
                }
            }
            // Any other error, as that of a full buffer, is the listener's: its socket is told.
            if this.unicast_init_net(listener.portid) == Err(ECONNREFUSED) {
                listener.gone.store(true, Relaxed);
                any_gone = true;
            }
        }
        any_gone
    }
}

/// The listeners of all CPUs.
pub(crate) struct Listeners(PerCpu<CpuListeners>);

impl Listeners {
    /// Makes the lists, empty ones.
    pub(crate) fn new() -> Result<Self, AllocError> {
        PerCpu::new(CpuListeners::new).map(Self)
    }

    /// Returns the listeners of the CPU that this runs on.
    #[inline]
    pub(crate) fn this_cpu(&self) -> &CpuListeners {
        self.0.this_cpu().get_ref()
    }

    /// Registers the socket at `portid` for `cpus`; where it is registered already, nothing changes.
    /// [`ENOMEM`] registers it for none of them. Mirrors `add_del_listener()`.
    pub(crate) fn register(&self, portid: u32, cpus: &CpuList) -> Result {
        for cpu in cpus.iter() {
            let listener = Listener {
                portid,
                gone: AtomicFlag::new(false),
                next: None,
            };
            match box_near(cpu, listener, GFP_KERNEL) {
                Ok(listener) => self.0.get(cpu).ok_or(EINVAL)?.add(listener),
                Err(AllocError) => {
                    self.deregister(portid, cpus);
                    return Err(ENOMEM);
                }
            }
        }
        Ok(())
    }

    /// Removes the socket at `portid` from `cpus`; where it is not registered, nothing happens.
    /// Mirrors `add_del_listener()`.
    pub(crate) fn deregister(&self, portid: u32, cpus: &CpuList) {
        for cpu in cpus.iter() {
            if let Some(listeners) = self.0.get(cpu) {
                listeners.remove(1, |listener| listener.portid == portid);
            }
        }
    }
}
