// SPDX-License-Identifier: GPL-2.0

//! Who gets the records of exiting tasks: for each CPU, the sockets that registered for it.

#![forbid(unsafe_code)]

use crate::{
    cpu_list::{
        possible_cpus,
        CpuList, //
    },
    genetlink::{
        Packet,
        Socket, //
    },
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
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    },
};

use core::mem::MaybeUninit;

/// A socket that registered.
struct Listener {
    socket: ARef<Socket>,
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

    /// Puts `socket` before the others; `room` is what its listener is written to.
    fn push(&mut self, room: KBox<MaybeUninit<Listener>>, socket: &Socket) {
        let next = self.first.take();

        self.first = Some(room.write(Listener {
            socket: socket.into(),
            next,
        }));
    }

    /// Removes the listener that `socket` is, if it is one, and returns its reference to the socket.
    fn remove(&mut self, socket: &Socket) -> Option<ARef<Socket>> {
        let mut place = &mut self.first;

        while place
            .as_ref()
            .is_some_and(|listener| !listener.socket.is(socket))
        {
            place = &mut place.as_mut()?.next;
        }
        let Listener { socket, next } = KBox::into_inner(place.take()?);
        *place = next;
        Some(socket)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // One by one: the list may be longer than the stack is deep.
        while let Some(mut first) = self.first.take() {
            self.first = first.next.take();
        }
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

    /// Adds a socket that is not there yet. Nothing is allocated under the lock, which exiting tasks
    /// wait for: `room` is allocated before.
    fn add(&self, room: KBox<MaybeUninit<Listener>>, socket: &Socket) {
        let mut list = self.list.write();

        if !list.iter().any(|listener| listener.socket.is(socket)) {
            list.push(room, socket);
            self.count.add(1, Relaxed);
        }
    }

    fn remove(&self, socket: &Socket) {
        // A last reference is put behind the lock.
        let removed;
        let mut list = self.list.write();

        removed = list.remove(socket);
        if removed.is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// Sends a message to each listener; all but the last get a clone of it. Where there is no memory
    /// for a clone, its listener alone gets nothing. Mirrors `send_cpu_listeners()`.
    pub(crate) fn send(&self, packet: Packet) {
        let list = self.list.read();
        let mut listeners = list.iter();
        let Some(mut listener) = listeners.next() else {
            return;
        };

        for next in listeners {
            if let Ok(clone) = packet.try_clone(GFP_KERNEL) {
                listener.send(clone);
            }
            listener = next;
        }
        listener.send(packet);
    }
}

impl Listener {
    #[inline]
    fn send(&self, packet: Packet) {
        // An error is the listener's: a socket whose buffer is full is told so when it reads.
        let _ = self.socket.send(packet);
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

    /// Registers a socket for `cpus`; where it is registered already, nothing changes. [`ENOMEM`]
    /// registers it for none of them. Mirrors `add_del_listener()`.
    fn register(&self, socket: &Socket, cpus: &CpuList) -> Result {
        for cpu in cpus.iter() {
            match box_near(cpu, GFP_KERNEL) {
                Ok(room) => self.0.get(cpu).ok_or(EINVAL)?.add(room, socket),
                Err(AllocError) => {
                    self.deregister(socket, cpus);
                    return Err(ENOMEM);
                }
            }
        }
        Ok(())
    }

    /// Removes a socket from `cpus`; where it is not registered, nothing happens. Mirrors
    /// `add_del_listener()`.
    pub(crate) fn deregister(&self, socket: &Socket, cpus: &CpuList) {
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

/// The registration of a socket, empty until the socket registers for the first time. It ends with
/// the socket: when that is closed, this is dropped, and no CPU has the socket any more.
#[derive(Default)]
pub(crate) struct Registration(SetOnce<Registered>);

struct Registered {
    listeners: Arc<Listeners>,
    socket: ARef<Socket>,
}

impl Registration {
    /// Registers `socket`, whose registration this is; see [`Listeners::register()`].
    pub(crate) fn register(
        &self,
        listeners: &Arc<Listeners>,
        socket: &Socket,
        cpus: &CpuList,
    ) -> Result {
        // Noted before there is anything to remove, and once: the socket and the lists stay the same.
        if self.0.as_ref().is_none() {
            self.0.populate(Registered {
                listeners: listeners.clone(),
                socket: socket.into(),
            });
        }
        listeners.register(socket, cpus)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(Registered { listeners, socket }) = self.0.as_ref() {
            listeners.remove(socket);
        }
    }
}
