// SPDX-License-Identifier: GPL-2.0

//! Listeners: for each CPU, the sockets that get the records of tasks that exit on it.

use crate::{
    abstractions::{
        cpumask::{
            possible_cpus,
            CpuSet, //
        },
        numa::box_near,
        per_cpu::PerCpu,
        rw_semaphore::{
            new_rw_semaphore,
            RwSemaphore, //
        },
    },
    genetlink::{
        Packet,
        Socket, //
    },
};
use kernel::{
    alloc::AllocError,
    cpu::CpuId,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        SetOnce, //
    },
};

/// A socket that registered.
struct Listener {
    socket: ARef<Socket>,
    /// The socket refused a message, and whoever sent it is about to remove this listener.
    refused: Atomic<bool>,
    next: Option<KBox<Listener>>,
}

impl Listener {
    /// Allocates a listener in memory near `cpu`.
    fn new(socket: &Socket, cpu: CpuId) -> Result<KBox<Self>, AllocError> {
        Ok(box_near(cpu, GFP_KERNEL)?.write(Self {
            socket: socket.into(),
            refused: Atomic::new(false),
            next: None,
        }))
    }

    /// Returns whether this is the registration of `socket`, one that stays.
    fn is_registration_of(&self, socket: &Socket) -> bool {
        self.socket.is(socket) && !self.refused.load(Relaxed)
    }

    /// Sends a message. Returns whether the socket refused it, as one does that is connected to a
    /// peer other than the kernel.
    #[inline]
    fn send(&self, packet: Packet) -> bool {
        // Any other error is the listener's: a socket whose buffer is full is told so when it
        // reads.
        let refused = self.socket.send(packet) == Err(ECONNREFUSED);
        if refused {
            self.refused.store(true, Relaxed);
        }
        refused
    }
}

/// Listeners, the youngest first.
#[derive(Default)]
struct List {
    first: Option<KBox<Listener>>,
}

impl List {
    fn iter(&self) -> impl Iterator<Item = &Listener> {
        core::iter::successors(self.first.as_deref(), |listener| listener.next.as_deref())
    }

    /// Puts `listener` before the others.
    fn push(&mut self, mut listener: KBox<Listener>) {
        listener.next = self.first.take();
        self.first = Some(listener);
    }

    /// Removes the first listener and returns it.
    fn pop(&mut self) -> Option<KBox<Listener>> {
        let mut first = self.first.take()?;
        self.first = first.next.take();
        Some(first)
    }

    /// Removes the listener that `socket` is, if it is one, and returns it.
    fn remove(&mut self, socket: &Socket) -> Option<KBox<Listener>> {
        let mut place = &mut self.first;

        while place
            .as_ref()
            .is_some_and(|listener| !listener.socket.is(socket))
        {
            place = &mut place.as_mut()?.next;
        }
        let mut removed = place.take()?;
        *place = removed.next.take();
        Some(removed)
    }

    /// Removes the listeners that refused a message and returns them.
    fn remove_refused(&mut self) -> List {
        let mut removed = List::default();
        let mut rest = core::mem::take(self);
        let mut end = &mut self.first;

        while let Some(listener) = rest.pop() {
            if listener.refused.load(Relaxed) {
                removed.push(listener);
            } else {
                end = &mut end.insert(listener).next;
            }
        }
        removed
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // One by one: the list may be longer than the stack is deep.
        while self.pop().is_some() {}
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

    /// Returns whether there are none. A listener that registers at the same time may be missed.
    ///
    /// Whoever sees a listener sees what was written before it registered: this pairs with the
    /// release in [`Self::set_count()`]. In particular, it sees the id of the family, which was set
    /// before the listener's request could be sent to it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Acquire) == 0
    }

    /// Sets how many listeners there are. The list is locked for writing.
    fn set_count(&self, count: usize) {
        self.count.store(count, Release);
    }

    /// Takes the sequence number of the next message.
    #[inline]
    pub(crate) fn next_sequence(&self) -> u32 {
        self.sequence.fetch_add(1, Relaxed)
    }

    /// Adds a listener, unless its socket is there already. Nothing is allocated or freed under the
    /// lock, which exiting tasks wait for.
    fn add(&self, listener: KBox<Listener>) {
        let mut unneeded = None;
        let mut list = self.list.write();

        if list
            .iter()
            .any(|other| other.is_registration_of(&listener.socket))
        {
            unneeded = Some(listener);
        } else {
            list.push(listener);
            self.set_count(self.count.load(Relaxed).wrapping_add(1));
        }
        drop(list);
        drop(unneeded);
    }

    fn remove(&self, socket: &Socket) {
        let mut list = self.list.write();
        let removed = list.remove(socket);

        if removed.is_some() {
            self.set_count(self.count.load(Relaxed).wrapping_sub(1));
        }
        drop(list);
        // Behind the lock: its reference to the socket may be the last one.
        drop(removed);
    }

    /// Removes the listeners that refused a message.
    #[cold]
    fn remove_refused(&self) {
        let mut list = self.list.write();
        let removed = list.remove_refused();

        let number = removed
            .iter()
            .fold(0_usize, |number, _| number.wrapping_add(1));
        self.set_count(self.count.load(Relaxed).wrapping_sub(number));
        drop(list);
        // Behind the lock, as above.
        drop(removed);
    }

    /// Sends a message to each listener; all but the last get a clone of it. Where there is no
    /// memory for a clone, its listener alone gets nothing. Listeners that refuse it are removed.
    /// Mirrors `send_cpu_listeners()`.
    pub(crate) fn send(&self, packet: Packet) {
        let list = self.list.read();
        let mut listeners = list.iter();
        let Some(mut listener) = listeners.next() else {
            return;
        };
        let mut refused = false;

        for next in listeners {
            if let Ok(clone) = packet.try_clone(GFP_KERNEL) {
                refused |= listener.send(clone);
            }
            listener = next;
        }
        refused |= listener.send(packet);
        drop(list);

        if refused {
            self.remove_refused();
        }
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

    /// Registers a socket for `cpus`; where it is registered already, nothing changes. With
    /// [`ENOMEM`], nothing changes anywhere. Mirrors `add_del_listener()`, which in that case
    /// removes the socket from all of `cpus`.
    fn register(&self, socket: &Socket, cpus: &CpuSet) -> Result {
        // All that may fail comes first.
        let mut new = List::default();
        for cpu in cpus.iter().rev() {
            new.push(Listener::new(socket, cpu)?);
        }

        for cpu in cpus.iter() {
            if let (Some(listeners), Some(listener)) = (self.0.get(cpu), new.pop()) {
                listeners.add(listener);
            }
        }
        Ok(())
    }

    /// Removes a socket from `cpus`; where it is not registered, nothing happens. Mirrors
    /// `add_del_listener()`.
    pub(crate) fn deregister(&self, socket: &Socket, cpus: &CpuSet) {
        for cpu in cpus.iter() {
            if let Some(listeners) = self.0.get(cpu) {
                listeners.remove(socket);
            }
        }
    }

    /// Removes a socket from all CPUs.
    fn remove(&self, socket: &Socket) {
        for cpu in possible_cpus() {
            if let Some(listeners) = self.0.get(cpu).filter(|listeners| !listeners.is_empty()) {
                listeners.remove(socket);
            }
        }
    }
}

/// The subscription of a socket, empty until the socket registers for the first time. It ends with
/// the socket: when that is closed, this is dropped, and no CPU has the socket any more.
#[derive(Default)]
pub(crate) struct Subscription(SetOnce<Subscriber>);

struct Subscriber {
    listeners: Arc<Listeners>,
    socket: ARef<Socket>,
}

impl Subscription {
    /// Registers `socket`, whose subscription this is; see [`Listeners::register()`].
    pub(crate) fn register(
        &self,
        listeners: &Arc<Listeners>,
        socket: &Socket,
        cpus: &CpuSet,
    ) -> Result {
        // Noted before there is anything to remove, and once: the socket and the lists stay the
        // same.
        if self.0.as_ref().is_none() {
            self.0.populate(Subscriber {
                listeners: listeners.clone(),
                socket: socket.into(),
            });
        }
        listeners.register(socket, cpus)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(Subscriber { listeners, socket }) = self.0.as_ref() {
            listeners.remove(socket);
        }
    }
}
