// SPDX-License-Identifier: GPL-2.0

//! What control groups have used: the sum over the processes in them, and over those that have
//! exited there since counting began, which the first request does.
//!
//! The sums never shrink while no process changes its group. For that, what a thread or a process
//! has used is counted exactly once while it goes from the living to those that have exited:
//!
//! - Under one lock, an exiting thread leaves its delays to its process, what a process does not
//!   keep to the groups, and with the last thread what the process has used to the groups, and it is
//!   marked. Whoever is marked does not count among the living any more. The mark goes when the
//!   kernel has made the task a zombie, which can be seen by itself.
//! - Who was exiting when counting began may have left its own before, or not have done so yet.
//!   It is marked then, so it counts when it leaves something, and not before.
//! - A request goes through the processes in the order of their ids, and lets others run meanwhile.
//!   A process that leaves something during that time leaves it to the request as well, unless the
//!   request has been at its id before.
//!
//! Each exited process is added to its group and to all that this one is in, so nothing is lost
//! when a group is removed.

use super::interest::COUNTS;
use crate::{
    abstractions::{
        cgroup::{
            self,
            Place, //
        },
        namespace::Namespaces,
        pids::{
            self,
            Kind, //
        },
        task::TaskView,
        thread_group::SighandGuard,
        time::monotonic_ns, //
    },
    accounting::usage::{
        States,
        Totals,
        Usage, //
    },
};
use kernel::{
    alloc::{
        flags,
        KVec, //
    },
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        rcu,
        Mutex, //
    },
    task::{
        CurrentTask,
        Task, //
    },
};

use core::ops::ControlFlow;

/// How many processes are looked at before others may run, and tasks may exit.
const PROCESSES_AT_A_TIME: u32 = 16;

/// How many marks are looked at whenever a task exits: more than it makes.
const MARKS_AT_A_TIME: usize = 4;

/// What a control group has used.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) place: Place,
    /// How many processes live.
    pub(super) processes: u32,
    /// What their threads do.
    pub(super) threads: States,
    /// How many processes have exited.
    pub(super) exited: u64,
    pub(super) totals: Totals,
}

impl Group {
    /// Returns a group that has used nothing.
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            processes: 0,
            threads: States::default(),
            exited: 0,
            totals: Totals::default(),
        }
    }
}

/// Control groups by their ids.
pub(super) type Groups = RBTree<u64, Group>;

/// What control groups have used, all at one time.
pub(super) struct Answer {
    pub(super) groups: Groups,
    /// How many ends of threads and processes there was no memory for to count them.
    pub(super) uncounted: u64,
    /// When counting began, in nanoseconds of the monotonic clock.
    pub(super) since: u64,
}

/// What has been used by what has exited.
#[derive(Default)]
struct Exited {
    processes: u64,
    totals: Totals,
}

/// Marks a thread, or by its leader a process, that has left what it used. The leader is released
/// after all other threads.
enum Mark {
    Thread(ARef<Task>),
    Process(ARef<Task>),
}

impl Mark {
    /// Returns whether it can be seen by itself that it has exited.
    fn is_needless(&self) -> bool {
        match self {
            Self::Thread(task) => TaskView::of(task).has_exit_state(),
            Self::Process(task) => match SighandGuard::lock(task) {
                Some(process) => process.threads().all(TaskView::has_exit_state),
                None => true,
            },
        }
    }
}

/// Marks, by the addresses of what is marked.
struct Marks {
    marks: RBTree<usize, Mark>,
    /// The address from which on needless ones are looked for.
    next: usize,
}

impl Marks {
    fn has(&self, address: usize) -> bool {
        self.marks.get(&address).is_some()
    }

    /// Removes needless marks among the next few.
    fn prune(&mut self) {
        for _ in 0..MARKS_AT_A_TIME {
            let Some(cursor) = self.marks.cursor_lower_bound(&self.next) else {
                self.next = 0;
                return;
            };
            let (&address, mark) = cursor.current();
            let is_needless = mark.is_needless();
            if is_needless {
                drop(self.marks.remove(&address));
            }
            self.next = address.wrapping_add(1);
        }
    }
}

/// Returns the address of a thread, which is that of no other as long as it is marked.
fn address_of(task: TaskView<'_>) -> usize {
    task.as_ptr().addr()
}

/// A request under way.
struct Walk {
    groups: Groups,
    /// The next id to look at.
    next: u32,
}

struct Inner {
    exited: RBTree<u64, Exited>,
    marks: Marks,
    walk: Option<Walk>,
    uncounted: u64,
    since: u64,
}

impl Inner {
    /// Adds what a thread or process of `task` has left to its groups, and to the request that is
    /// under way.
    fn add(&mut self, task: TaskView<'_>, totals: &Totals, processes: u64, rcu: &rcu::Guard) {
        // CAST: Ids of tasks are not negative.
        let id = task.tgid_nr_ns(Namespaces::init().pid, rcu) as u32;
        let mut walk = self.walk.as_mut().filter(|walk| id >= walk.next);

        cgroup::visit_domains_of(task, rcu, |id| {
            if let Some(exited) = self.exited.get_mut(&id) {
                exited.processes = exited.processes.wrapping_add(processes);
                exited.totals.add(totals);
            }
            if let Some(group) = walk.as_mut().and_then(|walk| walk.groups.get_mut(&id)) {
                group.exited = group.exited.wrapping_add(processes);
                group.totals.add(totals);
            }
        });
    }

    /// Returns how many of the groups of `task` nothing has exited in yet.
    fn missing(&self, task: TaskView<'_>, rcu: &rcu::Guard) -> usize {
        let mut missing: usize = 0;
        cgroup::visit_domains_of(task, rcu, |id| {
            if self.exited.get(&id).is_none() {
                missing = missing.wrapping_add(1);
            }
        });
        missing
    }
}

/// Memory for what is kept of an exiting task.
#[derive(Default)]
struct Room {
    groups: KVec<RBTreeNodeReservation<u64, Exited>>,
    marks: KVec<RBTreeNodeReservation<usize, Mark>>,
}

impl Room {
    fn grow(&mut self, groups: usize, marks: usize) -> Result {
        fill(&mut self.groups, groups)?;
        fill(&mut self.marks, marks)
    }

    /// Marks what has the address `address`, if there is room.
    fn mark(&mut self, marks: &mut Marks, address: usize, mark: Mark) {
        if let Some(node) = self.marks.pop() {
            marks.marks.insert(node.into_node(address, mark));
        }
    }
}

/// Allocates nodes until there are so many.
fn fill<K, V>(nodes: &mut KVec<RBTreeNodeReservation<K, V>>, wanted: usize) -> Result {
    if nodes.capacity() < wanted {
        let mut room = KVec::with_capacity(wanted, flags::GFP_KERNEL)?;
        for node in nodes.drain_all() {
            room.push_within_capacity(node).map_err(|_| ENOMEM)?;
        }
        *nodes = room;
    }
    while nodes.len() < wanted {
        let node = RBTreeNodeReservation::new(flags::GFP_KERNEL)?;
        nodes.push_within_capacity(node).map_err(|_| ENOMEM)?;
    }
    Ok(())
}

/// What control groups have used.
#[pin_data]
pub(crate) struct ControlGroups {
    /// One request at a time.
    #[pin]
    requests: Mutex<()>,
    #[pin]
    inner: Mutex<Inner>,
}

impl ControlGroups {
    /// Returns an initializer; nothing is counted yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            requests <- new_mutex!((), "taskacct_cgroups_requests"),
            inner <- new_mutex!(
                Inner {
                    exited: RBTree::new(),
                    marks: Marks {
                        marks: RBTree::new(),
                        next: 0,
                    },
                    walk: None,
                    uncounted: 0,
                    since: 0,
                },
                "taskacct_cgroups"
            ),
        })
    }

    /// Returns whether what exits is counted. If not, who is exiting at this moment is not.
    #[inline]
    pub(super) fn counts(&self) -> bool {
        COUNTS.is_set()
    }

    /// Counts the current task, which exits, and with the last thread its process. `leave` leaves
    /// its delays to the process, if it has other threads.
    pub(super) fn exit(&self, task: &CurrentTask, group_dead: bool, leave: &mut dyn FnMut()) {
        let view = TaskView::of(task);
        let mut room = Room::default();
        let mut missing = 0;

        loop {
            let has_room = room.grow(missing, 2).is_ok();
            let mut inner = self.inner.lock();
            let rcu = rcu::read_lock();
            if !has_room {
                inner.uncounted = inner.uncounted.wrapping_add(1);
                leave();
                return;
            }
            if !self.counts() {
                leave();
                return;
            }
            missing = inner.missing(view, &rcu);
            if missing > room.groups.len() {
                continue;
            }
            cgroup::visit_domains_of(view, &rcu, |id| {
                if inner.exited.get(&id).is_none() {
                    if let Some(node) = room.groups.pop() {
                        inner.exited.insert(node.into_node(id, Exited::default()));
                    }
                }
            });
            leave();
            inner.left(view, group_dead, &mut room, &rcu);
            inner.marks.prune();
            return;
        }
    }
}

impl Inner {
    /// Counts a task that has left its delays to its process.
    fn left(&mut self, task: TaskView<'_>, group_dead: bool, room: &mut Room, rcu: &rcu::Guard) {
        let Some(process) = process_of(task) else {
            return;
        };
        let address = address_of(task);
        let mut totals = Totals::not_left(task);
        // A thread that is this late has been counted with its process.
        if !self.marks.has(process) {
            if group_dead {
                let marks = &self.marks;
                let usage = Usage::sum(
                    task.task(),
                    |thread| thread.added_cpu_time(),
                    |thread| {
                        address_of(thread) == address
                            || thread.has_exit_state()
                            || marks.has(address_of(thread))
                    },
                );
                if let Some(Usage {
                    totals: mut used,
                    staying_integrals,
                    ..
                }) = usage
                {
                    used.memory_integrals = staying_integrals;
                    totals.add(&used);
                }
                self.add(task, &totals, 1, rcu);
                if let Some(leader) = task.group_leader(rcu) {
                    let mark = Mark::Process(leader.task().into());
                    room.mark(&mut self.marks, process, mark);
                }
            } else {
                self.add(task, &totals, 0, rcu);
            }
        }
        room.mark(&mut self.marks, address, Mark::Thread(task.task().into()));
    }

    /// Adds the process with the leader `leader` to the groups that are asked for, unless it has
    /// left what it used.
    fn visit(&mut self, leader: TaskView<'_>, rcu: &rcu::Guard) {
        let marks = &self.marks;
        if process_of(leader).is_none_or(|process| marks.has(process)) {
            return;
        }
        let Some(usage) = Usage::sum(
            leader.task(),
            |thread| thread.added_cpu_time(),
            |thread| thread.has_exit_state() || marks.has(address_of(thread)),
        ) else {
            return;
        };
        if usage.staying.all == 0 {
            return;
        }
        let mut totals = usage.totals;
        totals.memory_integrals = usage.staying_integrals;
        let (Some(living), Some(walk)) = (&usage.living, &mut self.walk) else {
            return;
        };
        cgroup::visit_domains_of(TaskView::of(living), rcu, |id| {
            if let Some(group) = walk.groups.get_mut(&id) {
                group.processes = group.processes.wrapping_add(1);
                group.threads.add(usage.staying);
                group.totals.add(&totals);
            }
        });
    }
}

/// Returns an address that stands for the process of `task`, unless it has been released.
fn process_of(task: TaskView<'_>) -> Option<usize> {
    Some(SighandGuard::lock(task.task())?.address())
}

impl ControlGroups {
    /// Fills in what `groups` have used.
    pub(super) fn sum_up(&self, groups: Groups) -> Result<Answer> {
        let _request = self.requests.lock();
        if !self.counts() {
            // Who is exiting has to be marked for that.
            self.begin().inspect_err(|_| self.end())?;
        }
        {
            let mut inner = self.inner.lock();
            let Inner { exited, walk, .. } = &mut *inner;
            let walk = walk.insert(Walk { groups, next: 1 });
            for (id, group) in &mut walk.groups {
                if let Some(exited) = exited.get(id) {
                    group.exited = exited.processes;
                    group.totals = exited.totals;
                }
            }
        }
        loop {
            let mut inner = self.inner.lock();
            let next = inner.walk.as_ref().map_or(u32::MAX, |walk| walk.next);
            let mut left = PROCESSES_AT_A_TIME;
            let rcu = rcu::read_lock();
            let end = pids::visit(
                Namespaces::init().pid,
                Kind::Process,
                next,
                &rcu,
                |id, leader| {
                    if left == 0 {
                        return ControlFlow::Break(());
                    }
                    left -= 1;
                    inner.visit(leader, &rcu);
                    if let Some(walk) = &mut inner.walk {
                        walk.next = id.wrapping_add(1);
                    }
                    ControlFlow::Continue(())
                },
            );
            drop(rcu);
            if end.is_continue() {
                let walk = inner.walk.take().ok_or(EINVAL)?;
                if !self.counts() {
                    return Err(EAGAIN);
                }
                return Ok(Answer {
                    groups: walk.groups,
                    uncounted: inner.uncounted,
                    since: inner.since,
                });
            }
            drop(inner);
            pids::cond_resched();
        }
    }

    /// Begins to count what exits, and marks who is exiting already.
    fn begin(&self) -> Result {
        let mut room = Room::default();
        // Most often, that is nobody.
        let mut wanted = 16;

        loop {
            room.grow(0, wanted)?;
            COUNTS.set(true);
            // Whoever is still told that nothing is counted is exiting, and is seen to be.
            rcu::synchronize_rcu();

            let mut inner = self.inner.lock();
            let rcu = rcu::read_lock();
            let mut missing: usize = 0;
            let _: ControlFlow<()> =
                pids::visit(Namespaces::init().pid, Kind::Task, 1, &rcu, |_, task| {
                    if task.flags().exiting()
                        && !task.has_exit_state()
                        && !inner.marks.has(address_of(task))
                    {
                        if room.marks.is_empty() {
                            missing = missing.wrapping_add(1);
                        }
                        let mark = Mark::Thread(task.task().into());
                        room.mark(&mut inner.marks, address_of(task), mark);
                    }
                    ControlFlow::Continue(())
                });
            drop(rcu);
            if missing == 0 {
                inner.since = monotonic_ns();
                return Ok(());
            }
            drop(inner);
            wanted = missing.wrapping_mul(2);
        }
    }

    /// Ends counting, and forgets all that was counted.
    pub(super) fn end(&self) {
        COUNTS.set(false);
        let mut inner = self.inner.lock();
        let exited = core::mem::take(&mut inner.exited);
        let marks = core::mem::take(&mut inner.marks.marks);
        inner.uncounted = 0;
        drop(inner);
        drop((exited, marks));
    }

    /// Forgets a group that was removed, which nothing exits in any more.
    #[cfg(CONFIG_CGROUPS)]
    fn forget(&self, id: u64) {
        let exited = self.inner.lock().exited.remove_node(&id);
        drop(exited);
    }
}

#[cfg(CONFIG_CGROUPS)]
impl crate::abstractions::cgroup_lifetime::RemovalObserver for ControlGroups {
    fn removed(&self, id: u64) {
        self.forget(id);
    }
}
