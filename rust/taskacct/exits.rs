// SPDX-License-Identifier: GPL-2.0

//! Sockets that are sent what exits, each what its filter lets through, and what they are told of
//! what they did not get.

use super::{
    fields::Fields,
    interest::INTEREST,
    uapi::{
        TASKACCT_A_EXIT_FILTER_ANCESTOR,
        TASKACCT_A_EXIT_FILTER_CGROUP_ALONE,
        TASKACCT_A_EXIT_FILTER_CGROUP_ID,
        TASKACCT_A_EXIT_FILTER_FAILED,
        TASKACCT_A_EXIT_FILTER_FIELDS,
        TASKACCT_A_EXIT_FILTER_PROCESSES,
        TASKACCT_A_EXIT_FILTER_THREADS,
        TASKACCT_A_EXIT_FILTER_UID, //
    },
};
use crate::{
    abstractions::{
        cgroup::Cgroup,
        credentials::User,
        namespace::Namespaces,
        rw_semaphore::{
            new_rw_semaphore,
            RwSemaphore, //
        },
        task::TaskView, //
    },
    genetlink::{
        Attributes,
        Packet,
        Refusal,
        Socket, //
    },
};
use kernel::{
    alloc::{
        flags,
        KVec, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu,
        Arc,
        SetOnce, //
    },
};

/// What ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Thread,
    Process,
}

/// Kinds of ends, by what a filter tells apart without looking at more than the task: whether it is
/// a process's, and whether it has failed.
#[derive(Clone, Copy)]
pub(super) struct Kinds(u32);

impl Kinds {
    const NONE: Self = Self(0);

    const fn of(ending: Ending, failed: bool) -> Self {
        let process = matches!(ending, Ending::Process);
        // CAST: 0 or 1.
        Self(1 << ((process as u32) << 1 | failed as u32))
    }

    /// Returns what the end of `task` is, with that of its process if `group_dead`.
    #[inline]
    pub(super) fn of_end(task: TaskView<'_>, group_dead: bool) -> Self {
        let failed = task.exit_code() != 0;
        let thread = Self::of(Ending::Thread, failed);
        if group_dead {
            thread.and(Self::of(Ending::Process, failed))
        } else {
            thread
        }
    }

    const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Returns whether some of these are among `others`.
    #[inline]
    const fn are_among(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// The kinds that some filter lets through.
static WANTED: Atomic<u32> = Atomic::new(0);

/// Returns whether some filter may let one of these through. One that is set at the same time may be
/// missed.
#[inline]
pub(super) fn may_want(kinds: Kinds) -> bool {
    kinds.are_among(Kinds(WANTED.load(Relaxed)))
}

/// What a socket is sent.
pub(super) struct ExitFilter {
    pub(super) fields: Fields,
    kinds: Kinds,
    user: Option<User>,
    cgroup: Option<Cgroup>,
    alone: bool,
    ancestor: Option<u32>,
}

impl ExitFilter {
    /// Reads a filter. All ids are those of the initial namespaces.
    pub(super) fn new(attributes: Attributes<'_>) -> Result<Self, Refusal<'_>> {
        let alone = attributes.get(TASKACCT_A_EXIT_FILTER_CGROUP_ALONE);
        let cgroup = match (attributes.get(TASKACCT_A_EXIT_FILTER_CGROUP_ID), alone) {
            (Some(id), _) => Some(Cgroup::from_id(id.uint()?).map_err(|errno| {
                Refusal::new(errno, c"no control group of version 2 has this id").at(id)
            })?),
            (None, Some(alone)) => {
                return Err(Refusal::new(EINVAL, c"alone, but no control group").at(alone))
            }
            (None, None) => None,
        };
        let user = match attributes.get(TASKACCT_A_EXIT_FILTER_UID) {
            Some(uid) => Some(
                User::in_namespace(Namespaces::init().user, uid.u32()?)
                    .ok_or_else(|| Refusal::new(EINVAL, c"no user has this id").at(uid))?,
            ),
            None => None,
        };
        let has = |attribute| attributes.get(attribute).is_some();
        let (threads, processes) = (
            has(TASKACCT_A_EXIT_FILTER_THREADS),
            has(TASKACCT_A_EXIT_FILTER_PROCESSES),
        );
        if !threads && !processes {
            return Err(Refusal::new(EINVAL, c"neither threads nor processes"));
        }
        Ok(Self {
            fields: Fields::of_attribute(attributes.get(TASKACCT_A_EXIT_FILTER_FIELDS))?,
            kinds: kinds(threads, processes, has(TASKACCT_A_EXIT_FILTER_FAILED)),
            user,
            cgroup,
            alone: alone.is_some(),
            ancestor: match attributes.get(TASKACCT_A_EXIT_FILTER_ANCESTOR) {
                Some(ancestor) => Some(ancestor.u32()?),
                None => None,
            },
        })
    }

    /// Returns whether ends of `task` are sent, of those kinds that are.
    fn matches(&self, task: TaskView<'_>) -> bool {
        if self.user.is_none() && self.cgroup.is_none() && self.ancestor.is_none() {
            return true;
        }
        let rcu = &rcu::read_lock();
        if let Some(user) = self.user {
            if !user.is_real_of(task.credentials(rcu)) {
                return false;
            }
        }
        if let Some(cgroup) = &self.cgroup {
            if !cgroup.has(task, self.alone, rcu) {
                return false;
            }
        }
        self.ancestor
            .is_none_or(|ancestor| descends(task, ancestor, rcu))
    }
}

/// Returns the kinds that a filter lets through.
fn kinds(threads: bool, processes: bool, failed: bool) -> Kinds {
    let mut kinds = Kinds::NONE;
    for (wanted, ending) in [(threads, Ending::Thread), (processes, Ending::Process)] {
        if wanted {
            kinds = kinds.and(Kinds::of(ending, true));
            if !failed {
                kinds = kinds.and(Kinds::of(ending, false));
            }
        }
    }
    kinds
}

/// Returns whether the process of `task` was started by the one with the id `ancestor` in the
/// initial namespace, or by one that was, as far as parents have not been replaced by reapers.
fn descends(task: TaskView<'_>, ancestor: u32, rcu: &rcu::Guard) -> bool {
    /// The most generations: parents change while they are walked.
    const MOST: usize = 4096;
    let init = Namespaces::init().pid;
    let mut next = task.real_parent(rcu);

    for _ in 0..MOST {
        let Some(parent) = next else {
            return false;
        };
        // CAST: Ids of tasks are not negative.
        let id = parent.tgid_nr_ns(init, rcu) as u32;
        if id == ancestor {
            return true;
        }
        if id <= 1 {
            return false;
        }
        next = parent.real_parent(rcu);
    }
    false
}

/// What has become of the messages for a socket.
pub(super) struct Counts {
    matched: Atomic<u64>,
    delivered: Atomic<u64>,
    lost_full: Atomic<u64>,
    lost_memory: Atomic<u64>,
    /// How often tasks had begun to exit unheard before.
    pub(super) gaps_before: u64,
}

impl Counts {
    fn new(gaps_before: u64) -> Self {
        Self {
            gaps_before,
            matched: Atomic::new(0),
            delivered: Atomic::new(0),
            lost_full: Atomic::new(0),
            lost_memory: Atomic::new(0),
        }
    }

    /// Reads the counts. What is on its way meanwhile has been let through, and nothing has become
    /// of it yet: the others are never more than `matched`.
    pub(super) fn read(&self) -> Became {
        // Acquire: who sees what has become of a message sees that it was let through.
        let load = |count: &Atomic<u64>| count.load(Acquire);
        let (delivered, lost_full, lost_memory) = (
            load(&self.delivered),
            load(&self.lost_full),
            load(&self.lost_memory),
        );
        Became {
            matched: load(&self.matched),
            delivered,
            lost_full,
            lost_memory,
        }
    }
}

/// How many messages for a socket became what.
#[derive(Default)]
pub(super) struct Became {
    /// All that its filter let through.
    pub(super) matched: u64,
    /// Those that were put into its buffer.
    pub(super) delivered: u64,
    /// Those that its buffer had no room for, or that it refused.
    pub(super) lost_full: u64,
    /// Those that there was no memory for.
    pub(super) lost_memory: u64,
}

struct Subscriber {
    socket: ARef<Socket>,
    filter: ExitFilter,
    counts: Arc<Counts>,
}

/// The sockets that have a filter.
#[pin_data]
pub(crate) struct Exits {
    #[pin]
    subscribers: RwSemaphore<KVec<Subscriber>>,
}

impl Exits {
    /// Returns an initializer; there are no sockets yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            subscribers <- new_rw_semaphore!(KVec::new(), c"taskacct_exits"),
        })
    }

    /// Gives `socket` a filter, instead of the one that it has, if any. With [`ENOMEM`], nothing
    /// changes.
    fn set(&self, socket: &Socket, filter: ExitFilter, counts: &Arc<Counts>) -> Result {
        let new = Subscriber {
            socket: socket.into(),
            filter,
            counts: counts.clone(),
        };
        // Memory is allocated without the lock: exiting tasks wait for it, and may be what memory
        // is waited for.
        let mut room = KVec::new();
        loop {
            let mut subscribers = self.subscribers.write();
            if let Some(old) = subscribers
                .iter_mut()
                .find(|subscriber| subscriber.socket.is(socket))
            {
                let old = core::mem::replace(old, new);
                want(&subscribers);
                drop(subscribers);
                drop(old);
                return Ok(());
            }
            if room.capacity() > subscribers.len() {
                // Neither allocates: there is room for all of them.
                for subscriber in subscribers.drain_all() {
                    room.push_within_capacity(subscriber).map_err(|_| ENOMEM)?;
                }
                room.push_within_capacity(new).map_err(|_| ENOMEM)?;
                core::mem::swap(&mut *subscribers, &mut room);
                want(&subscribers);
                INTEREST.begin();
                drop(subscribers);
                return Ok(());
            }
            let wanted = subscribers.len().wrapping_add(1);
            drop(subscribers);
            room = KVec::with_capacity(wanted, flags::GFP_KERNEL)?;
        }
    }

    /// Takes the filter of `socket` away, if it has one.
    fn remove(&self, socket: &Socket) {
        let mut subscribers = self.subscribers.write();
        let place = subscribers
            .iter()
            .position(|subscriber| subscriber.socket.is(socket));
        let removed = place.and_then(|place| subscribers.remove(place).ok());
        if removed.is_some() {
            want(&subscribers);
            INTEREST.end();
        }
        drop(subscribers);
        drop(removed);
    }

    /// Sends what ends to all whose filters let it through: `packet` makes the message with the
    /// groups of fields that one wants, if there is memory for it.
    pub(super) fn send(
        &self,
        task: TaskView<'_>,
        endings: &[Ending],
        packet: impl Fn(Ending, Fields) -> Result<Packet>,
    ) {
        let failed = task.exit_code() != 0;

        for subscriber in self.subscribers.read().iter() {
            let ExitFilter { kinds, fields, .. } = subscriber.filter;
            let mut sent = endings
                .iter()
                .filter(|&&ending| Kinds::of(ending, failed).are_among(kinds))
                .peekable();
            if sent.peek().is_none() || !subscriber.filter.matches(task) {
                continue;
            }
            for &ending in sent {
                let counts = &subscriber.counts;
                counts.matched.fetch_add(1, Relaxed);
                let what = match packet(ending, fields) {
                    Ok(packet) => match subscriber.socket.send(packet) {
                        Ok(()) => &counts.delivered,
                        Err(_) => &counts.lost_full,
                    },
                    Err(_) => &counts.lost_memory,
                };
                what.fetch_add(1, Release);
            }
        }
    }
}

/// Tells tasks that exit what is wanted now, whose lock the caller holds.
fn want(subscribers: &[Subscriber]) {
    let all = subscribers
        .iter()
        .fold(Kinds::NONE, |all, one| all.and(one.filter.kinds));
    WANTED.store(all.0, Relaxed);
}

/// What the family keeps for a socket: nothing until it sets a filter for the first time. The
/// filter goes with the socket.
#[derive(Default)]
pub(crate) struct Subscription(SetOnce<Subscribed>);

struct Subscribed {
    exits: Arc<Exits>,
    socket: ARef<Socket>,
    counts: Arc<Counts>,
}

impl Subscription {
    /// Sets the filter of `socket`, whose subscription this is; none ends it. `gaps` is how often
    /// tasks have begun to exit unheard until now.
    pub(super) fn set(
        &self,
        exits: &Arc<Exits>,
        socket: &Socket,
        filter: Option<ExitFilter>,
        gaps: u64,
    ) -> Result {
        if self.0.as_ref().is_none() {
            // Of two at once, one is the first.
            self.0.populate(Subscribed {
                exits: exits.clone(),
                socket: socket.into(),
                counts: Arc::new(Counts::new(gaps), flags::GFP_KERNEL)?,
            });
        }
        let subscribed = self.0.as_ref().ok_or(EAGAIN)?;
        match filter {
            Some(filter) => exits.set(socket, filter, &subscribed.counts),
            None => {
                exits.remove(socket);
                Ok(())
            }
        }
    }

    /// Returns what has become of the messages, if the socket ever set a filter.
    pub(super) fn counts(&self) -> Option<&Counts> {
        self.0.as_ref().map(|subscribed| &*subscribed.counts)
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.exits.remove(&self.socket);
    }
}
