#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Asks the family taskacct by way of YNL, the kernel's own client, and compares what it says with
TASKSTATS, with /proc and with what the tasks asked about have done. Fails at the first difference.

Usage: taskacct.py MODULE SOURCE OF THE KERNEL [NAME OF A TEST...]
"""

import array
import ctypes
import errno
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

MODULE = Path(sys.argv[1])
SOURCE = Path(sys.argv[2])
SPECS = Path(__file__).parents[3] / "Documentation/netlink/specs"
# What other users can read.
COPIES = Path(tempfile.mkdtemp())

sys.path.append(str(SOURCE / "tools/net/ynl/pyynl"))
from lib import NlError, YnlFamily, ynl  # pylint: disable=wrong-import-position

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
NOBODY, SOMEBODY = 65534, 1234
GROUPS = ["identity", "status", "cpu", "delays", "delay-extremes", "memory", "io", "faults",
          "switches", "executable"]
KINDS = {"cpu": "cpu", "block-io": "blkio", "swap-in": "swapin", "reclaim": "freepages",
         "thrashing": "thrashing", "compaction": "compact", "write-copy": "wpcopy", "irq": "irq"}
# NLM_F_REQUEST, and with it NLM_F_ROOT and NLM_F_MATCH.
REQUEST, DUMP = 0x1, 0x301
ERROR, DONE = 2, 3
TASK_GET = 1
CGROUP_GET = 4
FIELDS, IDENTITY = 3, 6
EXITED, UNCOUNTED = 7, 26


def connect(name="taskacct", **options):
    """Opens a socket. The description is held against the schema by kbuild check."""
    return YnlFamily(str(COPIES / f"{name}.yaml"), schema="", **options)


def tasks(family, **request):
    """Dumps threads, by their ids."""
    records = family.dump("task-get", request)
    ids = [record["identity"]["pid"] for record in records]
    assert ids == sorted(set(ids)), f"not in order, or twice: {ids}"
    return dict(zip(ids, records))


def refused(act, expected, says=""):
    """Fails unless the request is refused with this errno, and with these words."""
    try:
        answer = act()
    except NlError as error:
        assert error.error == expected and says in str(error), error
        return
    raise AssertionError(f"{says}: answered {answer}")


@contextmanager
def child(act=signal.pause, uid=None):
    """Runs a child that does something and then waits; yields its pid when it has."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ready)
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                # What prctl(PR_SET_DUMPABLE) does; changing ids has taken it away.
                assert LIBC.prctl(4, 1, 0, 0, 0) == 0
            if act is not signal.pause:
                act()
            os.close(done)
            while True:
                signal.pause()
        finally:
            os._exit(1)
    os.close(done)
    assert os.read(ready, 1) == b""
    os.close(ready)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def in_child(act):
    """Runs `act` in a child, and fails if it does."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except BaseException as error:  # pylint: disable=broad-exception-caught
            print(f"in a child: {type(error).__name__}: {error}", flush=True)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, "a child has failed"


def become(uid):
    """Takes a user's ids for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def work():
    """Uses some of all that is counted."""
    for _ in range(20):
        with open("/proc/self/stat", encoding="ascii") as file:
            file.read()
        time.sleep(0.001)
    with open("/dev/null", "wb") as file:
        file.write(bytes(100_000))
    sum(range(200_000))
    bytearray(4_000_000)


def stopped(pid):
    """Stops a task and waits until it is off its CPU."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] != "T":
        time.sleep(0.01)
    time.sleep(0.05)
    return pid


def proc_io(pid):
    """/proc/PID/io, of the thread."""
    text = Path(f"/proc/{pid}/task/{pid}/io").read_text("ascii")
    return {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", text)}


def compare(record, stats):
    """Compares a task's record with TASKSTATS' of the same task, which does not move."""
    identity, status, cpu = record["identity"], record["status"], record["cpu"]
    for field in ("pid", "tgid", "ppid", "uid", "gid"):
        assert identity[field] == stats[f"ac-{field}"], field
    assert identity["comm"] == stats["ac-comm"][:16]
    assert status["nice"] % 256 == stats["ac-nice"]
    assert status["policy"] == stats["ac-sched"]
    assert status["exit-code"] == stats["ac-exitcode"]
    flags = set(status.get("flags", ()))
    for bit, flag in ((1, "no-exec"), (2, "super-priv"), (8, "dump-core"), (16, "signaled")):
        assert bool(stats["ac-flag"] & bit) == (flag in flags), (flag, stats["ac-flag"], flags)
    assert cpu["user-time"] // 1000 == stats["ac-utime"]
    assert cpu["system-time"] // 1000 == stats["ac-stime"]
    assert cpu["user-time"] + cpu["system-time"] == stats["cpu-run-real-total"]
    assert cpu["run-time"] == stats["cpu-run-virtual-total"]
    for kind, name in KINDS.items():
        delay = record.get(f"{kind}-delay")
        if delay is None:
            assert stats[f"{name}-count"] == stats[f"{name}-delay-total"] == 0, kind
            continue
        end = stats[f"{name}-delay-max-ts-sec"] * 10**9 + stats[f"{name}-delay-max-ts-nsec"]
        assert delay == {
            "count": stats[f"{name}-count"], "total": stats[f"{name}-delay-total"],
            "longest": stats[f"{name}-delay-max"], "shortest": stats[f"{name}-delay-min"],
            "longest-end": end}, kind
    memory, io = record["memory"], record["io"]
    assert memory["resident-integral"] // 1024 == stats["coremem"]
    assert memory["virtual-integral"] // 1024 == stats["virtmem"]
    assert memory.get("resident-max", 0) // 1024 == stats["hiwater-rss"]
    assert memory.get("virtual-max", 0) // 1024 == stats["hiwater-vm"]
    for field, value in io.items():
        assert value & ~1023 == stats[field], field
    assert record["faults"] == {"minor": stats["ac-minflt"], "major": stats["ac-majflt"]}
    assert record["switches"] == {"voluntary": stats["nvcsw"], "involuntary": stats["nivcsw"]}
    executable = record.get("executable", {"device": 0, "inode": 0})
    assert executable == {"device": stats["ac-exe-dev"], "inode": stats["ac-exe-inode"]}


def test_equality():
    """Every field of a stopped task is TASKSTATS' and /proc's, asked for alone and dumped."""
    family, taskstats = connect(), connect("taskstats")
    with child(work, SOMEBODY) as pid:
        stopped(pid)
        record = family.task_get({"pid": pid})
        assert record == tasks(family)[pid]
        assert family.task_get({"pidfd": os.pidfd_open(pid)}) == record
        stats = taskstats.get({"pid": pid})["aggr-pid"]["stats"]
        compare(record, stats)

        proc = proc_io(pid)
        assert record["io"] == {
            "read-char": proc["rchar"], "write-char": proc["wchar"],
            "read-syscalls": proc["syscr"], "write-syscalls": proc["syscw"],
            "read-bytes": proc["read_bytes"], "write-bytes": proc["write_bytes"],
            "cancelled-write-bytes": proc["cancelled_write_bytes"]}
        assert record["io"]["write-char"] >= 100_000
        stat = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        assert record["faults"] == {"minor": int(stat[7]), "major": int(stat[9])}
        text = Path(f"/proc/{pid}/status").read_text("ascii")
        words = dict(re.findall(r"(\w+):\s+(\S+)", text))
        assert record["switches"] == {
            "voluntary": int(words["voluntary_ctxt_switches"]),
            "involuntary": int(words["nonvoluntary_ctxt_switches"])}
        assert record["memory"]["resident-max"] == int(words["VmHWM"]) * 1024
        assert record["memory"]["virtual-max"] == int(words["VmPeak"]) * 1024
        run, wait, count = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
        assert record["cpu"]["run-time"] == int(run)
        assert record["cpu-delay"]["total"] == int(wait)
        assert record["cpu-delay"]["count"] == int(count)
        image = os.stat(f"/proc/{pid}/exe")
        assert record["executable"]["inode"] == image.st_ino
        born = record["status"]["start-time"]
        assert record["status"]["process-start-time"] == born
        assert 0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) - born < 600 * 10**9

        # A process of one thread is that thread.
        process = family.process_get({"pid": pid})
        assert process.pop("threads") == 1
        assert process == record
        assert [one["identity"]["pid"] for one in family.dump("process-get", {})].count(pid) == 1

    # Threads of the kernel have no memory; all that are asleep are the same in both.
    kthreads = {pid: one for pid, one in tasks(family).items()
                if "kernel-thread" in one["status"]["flags"]}
    assert kthreads
    for record in kthreads.values():
        assert "executable" not in record and "resident-max" not in record["memory"]


def families():
    """All families that there are, by their names."""
    spec = SOURCE / "Documentation/netlink/specs/nlctrl.yaml"
    found = YnlFamily(str(spec), schema="").dump("getfamily", {})
    return {family["family-name"]: family for family in found}


def test_families():
    """With the module comes one family, and all others stay as they are."""
    loaded = families()
    unload()
    unloaded = families()
    load()
    assert "TASKSTATS" in unloaded
    assert loaded.keys() - unloaded.keys() == {"taskacct"}
    del loaded["taskacct"]
    assert loaded == unloaded


def test_fields():
    """Groups that are not asked for are not there."""
    family = connect()
    of_group = {"identity": {"identity"}, "status": {"status"}, "cpu": {"cpu"},
                "memory": {"memory"}, "io": {"io"}, "faults": {"faults"},
                "switches": {"switches"}, "executable": {"executable"}}
    for group in GROUPS:
        record = family.task_get({"pid": os.getpid(), "fields": {group}})
        if group in of_group:
            assert set(record) == of_group[group], (group, record)
            continue
        assert all(name.endswith("-delay") for name in record) and record, record
        expected = {"count", "total"}
        if group == "delay-extremes":
            expected |= {"longest", "shortest", "longest-end"}
        assert all(set(delay) == expected for delay in record.values()), record
    assert family.task_get({"pid": os.getpid(), "fields": set()}) == {}
    info = family.info_get({})
    assert info["seam"] == ("livepatch" if livepatch() else "slot"), info
    assert set(info["fields"]) == set(GROUPS), info
    assert info["delays-on"] == int(Path("/proc/sys/kernel/task_delayacct").read_text("ascii"))
    assert 0 < info["since"] < time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def threads_of_all():
    """The ids of all threads, by /proc."""
    return {int(path.name) for path in Path("/proc").glob("[0-9]*/task/[0-9]*")}


def test_filters():
    """A dump has those that the filter says, and all of them."""
    family = connect()
    with child(uid=SOMEBODY) as pid:
        everybody = tasks(family)
        assert set(everybody) - threads_of_all() == set()
        mine = tasks(family, filter={"uid": SOMEBODY})
        assert set(mine) == {pid}
        assert set(tasks(family, filter={"tgid": pid})) == {pid}
        assert not tasks(family, filter={"tgid": pid, "uid": NOBODY})
        users = tasks(family, filter={"no-kernel-threads": True})
        assert {pid, os.getpid(), 1} <= set(users)
        assert all("kernel-thread" not in one["status"].get("flags", ())
                   for one in users.values())
        root = everybody[pid]["status"]["cgroup-id"]
        assert root == os.stat("/sys/fs/cgroup").st_ino if cgroups() else root
        assert pid in tasks(family, filter={"cgroup-id": root})
        assert pid in tasks(family, filter={"cgroup-id": root, "cgroup-alone": True})
        if cgroups():
            group = Path("/sys/fs/cgroup/taskacct/inner")
            group.mkdir(parents=True)
            (group / "cgroup.procs").write_text(str(pid), "ascii")
            inner, outer = group.stat().st_ino, group.parent.stat().st_ino
            assert set(tasks(family, filter={"cgroup-id": inner})) == {pid}
            assert set(tasks(family, filter={"cgroup-id": outer})) == {pid}
            assert not tasks(family, filter={"cgroup-id": outer, "cgroup-alone": True})
            assert pid not in tasks(family, filter={"cgroup-id": root, "cgroup-alone": True})
            (group.parents[1] / "cgroup.procs").write_text(str(pid), "ascii")
            group.rmdir()
            group.parent.rmdir()
            refused(lambda: tasks(family, filter={"cgroup-id": inner}), errno.ENOENT,
                    "no control group")


def cgroups():
    """Mounts control groups of version 2, if that has not been done."""
    path = Path("/sys/fs/cgroup/cgroup.procs")
    if not path.exists():
        subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    return path.exists()


@contextmanager
def group(*names):
    """Makes control groups, each in the one before; yields their directories, and removes them
    if nothing has failed."""
    assert cgroups(), "no control groups"
    paths = []
    for name in names:
        paths.append((paths[-1] if paths else Path("/sys/fs/cgroup")) / name)
        paths[-1].mkdir()
    yield paths
    for path in reversed(paths):
        if path.exists():
            path.rmdir()


def join(path):
    """Moves the calling process into a control group."""
    (path / "cgroup.procs").write_text("0", "ascii")


def totals(record):
    """What never shrinks of what a control group has used."""
    found = {"exited": record["exited"]}
    for name, nest in record.items():
        if isinstance(nest, dict):
            found |= {f"{name}.{field}": value for field, value in nest.items()
                      if field not in ("shortest", "longest-end")}
    return found


BURN = r"""
import os, sys, threading, time
def burn():
    end = time.thread_time_ns() + 2_000_000
    while time.thread_time_ns() < end:
        pass
    with open("/dev/null", "wb") as file:
        file.write(bytes(1000))
    os.sched_yield()
path, number, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path + "/cgroup.procs", "w") as file:
    file.write("0")
for _ in range(number):
    pid = os.fork()
    if pid == 0:
        others = [threading.Thread(target=burn) for _ in range(threads)]
        for one in others:
            one.start()
        burn()
        # Some of the others are still at it, and end at about the same time.
        os.write(1, b"%d\n" % time.process_time_ns())
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_cgroup_sums():
    """What a control group has used is what its processes have, those that have exited included."""
    family = connect()
    with group("taskacct", "inner") as (outer, inner):
        outer_id, inner_id = outer.stat().st_ino, inner.stat().st_ino
        empty = family.cgroup_get({"id": outer_id})
        assert not any(totals(empty).values()), empty
        assert empty["processes"] == empty["level"] - 1 == empty["exited"] == 0
        assert empty["parent-id"] == os.stat("/sys/fs/cgroup").st_ino
        number, threads = 20, 2
        run = subprocess.Popen([sys.executable, "-c", BURN, inner, str(number), str(threads)],
                               stdout=subprocess.PIPE)
        at_least = sum(int(line) for line in run.stdout)
        _, status, usage = os.wait4(run.pid, 0)
        assert status == 0
        # With all that it has waited for. wait4() cuts off what is less than a microsecond.
        at_most = int((usage.ru_utime + usage.ru_stime) * 1e9) + 2000 * (number + 1)
        for one in outer_id, inner_id:
            record = family.cgroup_get({"id": one})
            # The program itself has ended there as well.
            assert record["exited"] == number + 1, record
            assert record["processes"] == record["uncounted"] == 0, record
            assert record["cpu"]["run-time"] >= at_least, (record, at_least)
            assert record["cpu"]["run-time"] <= at_most, (record, at_most)
            assert record["io"]["write-char"] >= number * 1000, record
        # What lives counts as it does by itself.
        with child() as pid:
            (inner / "cgroup.procs").write_text(str(pid), "ascii")
            stopped(pid)
            before = totals(record)
            record = family.cgroup_get({"id": inner_id})
            process = family.process_get({"pid": pid})
            states = {name: record[name]
                      for name in ("processes", "stopped", "running", "sleeping")}
            assert states == {"processes": 1, "stopped": 1, "running": 0, "sleeping": 0}, record
            for nest in "cpu", "io", "faults", "switches", "cpu-delay":
                for field in process.get(nest, ()):
                    if field in ("shortest", "longest", "longest-end"):
                        continue
                    has = record[nest][field] - before.get(f"{nest}.{field}", 0)
                    assert has == process[nest][field], (nest, field, has, process[nest][field])
            directory = os.open(outer, os.O_RDONLY)
            assert totals(family.cgroup_get({"fd": directory})) == totals(record)
            os.close(directory)
            (outer.parent / "cgroup.procs").write_text(str(pid), "ascii")
        # A dump has all of them, each as by itself.
        dump = {one["id"]: one for one in family.dump("cgroup-get", {})}
        ids = {path.stat().st_ino for path in Path("/sys/fs/cgroup").glob("**/")}
        assert set(dump) == ids, set(dump) ^ ids
        for one in outer_id, inner_id:
            assert dump[one] == family.cgroup_get({"id": one})
        below = {one["id"] for one in family.dump("cgroup-get", {"id": outer_id})}
        assert below == {outer_id, inner_id}
        short = family.cgroup_get({"id": outer_id, "fields": {"faults"}})
        assert "faults" in short and "cpu" not in short
        # What has exited in it stays with those that it was in.
        before = totals(family.cgroup_get({"id": outer_id}))
        inner.rmdir()
        assert totals(family.cgroup_get({"id": outer_id})) == before
        refused(lambda: family.cgroup_get({"id": inner_id}), errno.ENOENT, "no control group")


# Ends all the time, in processes of one thread and of several.
EXITS = r"""
import ctypes, os, sys, threading
path, number = sys.argv[1], int(sys.argv[2])
with open(path + "/cgroup.procs", "w") as file:
    file.write("0")
# Each thread that ends has memory to give back, which takes its time.
memory = bytearray(1 << 20)
def touch():
    for at in range(0, len(memory), 4096):
        memory[at] = 1
for i in range(number):
    pid = os.fork()
    if pid == 0:
        touch()
        for _ in range(i % 3):
            threading.Thread(target=os.sched_yield).start()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def cgroup_totals(sock, family_id, cgroup):
    """Asks for a control group as fast as can be; returns what never shrinks, by numbers."""
    attribute = struct.pack("=HHQ", 12, 1, cgroup)
    sock.send(struct.pack("=IHHIIBBH", 20 + len(attribute), family_id, REQUEST, 7, 0, CGROUP_GET,
                          1, 0) + attribute)
    data = sock.recv(65536)
    length, kind = struct.unpack_from("=IH", data)
    assert kind == family_id, struct.unpack_from("=i", data, 16)
    found, at = {}, 20
    while at < length:
        size, kind = struct.unpack_from("=HH", data, at)
        if kind & 0x8000:
            kind &= 0x7fff
            inner = at + 4
            while inner < at + size:
                part, number = struct.unpack_from("=HH", data, inner)
                # Of delays, not the shortest, and not when the longest ended.
                if not (9 <= kind <= 16 and number in (4, 5)):
                    found[kind, number], = struct.unpack_from("=Q", data, inner + 4)
                inner += (part + 3) & ~3
        elif kind in (EXITED, UNCOUNTED):
            found[kind], = struct.unpack_from("=Q", data, at + 4)
        at += (size + 3) & ~3
    return found


@contextmanager
def few_ids():
    """Has ids used again soon, so that new processes are before others as well as after them."""
    path = Path("/proc/sys/kernel/pid_max")
    most = path.read_text("ascii")
    path.write_text("1500", "ascii")
    try:
        yield
    finally:
        path.write_text(most, "ascii")


@contextmanager
def sleepers(number):
    """Has so many children wait meanwhile."""
    pids = []
    for _ in range(number):
        pids.append(os.fork())
        if pids[-1] == 0:
            while True:
                signal.pause()
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_cgroup_sums_never_shrink():
    """Nor while processes and threads come and go, and control groups are removed."""
    family = connect()
    sock, family_id = family.sock, family.nlproto.family_id
    with group("taskacct") as (outer,), few_ids(), sleepers(300):
        one, seen, reads, number = outer.stat().st_ino, {}, 0, 60
        stop, started, running = time.monotonic() + 20, 0, []
        while time.monotonic() < stop or running:
            if len(running) < 3 and time.monotonic() < stop:
                path = outer / f"g{started}"
                path.mkdir()
                running.append((path, subprocess.Popen(
                    [sys.executable, "-c", EXITS, path, str(number)])))
                started += 1
            for _ in range(20):
                now = cgroup_totals(sock, family_id, one)
                shrunk = {name: (value, now.get(name)) for name, value in seen.items()
                          if now.get(name, 0) < value}
                assert not shrunk, (reads, shrunk)
                assert now[UNCOUNTED] == 0, now
                seen = now
                reads += 1
            for path, process in list(running):
                if process.poll() is not None:
                    assert process.returncode == 0
                    path.rmdir()
                    running.remove((path, process))
        last = cgroup_totals(sock, family_id, one)
        assert last[EXITED] == started * (number + 1), (last, started)
    print(f"{reads} answers, {last[EXITED]} processes")
    assert reads > 500, reads


def test_cgroup_refusals():
    """Each refusal has words."""
    family = connect()
    with group("taskacct", "threaded") as (outer, threaded), open("/dev/null", "rb") as null:
        (threaded / "cgroup.type").write_text("threaded", "ascii")
        for request, error, says in (
                ({}, errno.EINVAL, "neither an id"),
                ({"id": outer.stat().st_ino, "fd": 0}, errno.EINVAL, "one is enough"),
                ({"id": 1 << 60}, errno.ENOENT, "no control group"),
                ({"fd": null.fileno()}, errno.EBADF, "no directory"),
                ({"fd": 1 << 31}, errno.EBADF, "no directory"),
                ({"id": threaded.stat().st_ino}, errno.EOPNOTSUPP, "for its domain"),
                ({"id": 1, "fields": 1 << 10}, errno.EINVAL, ".fields")):
            refused(lambda request=request: family.cgroup_get(request), error, says)
        dump = {one["id"] for one in family.dump("cgroup-get", {})}
        assert outer.stat().st_ino in dump and threaded.stat().st_ino not in dump

        def as_nobody():
            become(NOBODY)
            refused(lambda: connect().cgroup_get({"id": 1}), errno.EPERM)
            refused(lambda: connect().dump("cgroup-get", {}), errno.EPERM)
            refused(lambda: family.cgroup_get({"id": 1}), errno.EPERM)

        in_child(as_nobody)


def test_refusals():
    """Each refusal has words, and says which attribute is at fault."""
    family = connect()
    pidfd = os.pidfd_open(os.getpid())
    with open("/dev/null", "rb") as null:
        for request, error, says in (
                ({}, errno.EINVAL, "neither a pid nor a pidfd"),
                ({"pid": 1, "pidfd": pidfd}, errno.EINVAL, "one is enough"),
                ({"pid": 0}, errno.ERANGE, ".pid"),
                ({"pid": 1 << 31}, errno.ERANGE, ".pid"),
                ({"pid": 4_000_000}, errno.ESRCH, "no such task"),
                ({"pidfd": 9999}, errno.EBADF, "no open file"),
                ({"pidfd": null.fileno()}, errno.EBADF, "not a pidfd"),
                ({"pid": 1, "fields": 1 << 10}, errno.EINVAL, ".fields"),
                ({"pid": 1, "filter": {"uid": 0}}, errno.EINVAL, "for dumps")):
            refused(lambda request=request: family.task_get(request), error, says)
    dump = family.dump
    for request, error, says in (
            ({"pid": 1}, errno.EINVAL, "there is a filter"),
            ({"pidfd": pidfd}, errno.EINVAL, "there is a filter"),
            ({"filter": {"tgid": 0}}, errno.ERANGE, ".filter.tgid"),
            ({"filter": {"cgroup-alone": True}}, errno.EINVAL, "no control group"),
            ({"filter": {"cgroup-id": 1 << 60}}, errno.ENOENT, "no control group"),
            ({"filter": {"uid": 0xffffffff}}, errno.EINVAL, "no user")):
        refused(lambda request=request: dump("task-get", request), error, says)
    refused(lambda: family.task_get({"pid": 1, "threads": 1}), errno.EINVAL, "threads")
    with child() as pid:
        pass
    refused(lambda: family.process_get({"pid": pid}), errno.ESRCH, "no such process")


def test_reused_pid():
    """A pidfd of a task that is gone does not answer for another one with its pid."""
    family = connect()
    with child() as pid:
        pidfd = os.pidfd_open(pid)
        assert family.task_get({"pidfd": pidfd})["identity"]["pid"] == pid
    refused(lambda: family.task_get({"pidfd": pidfd}), errno.ESRCH, "no such task")
    # clone3() with set_tid takes the very pid.
    set_tid = array.array("i", [pid])
    arguments = array.array("Q", [0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0,
                                  set_tid.buffer_info()[0], 1, 0])
    again = LIBC.syscall(435, ctypes.c_void_p(arguments.buffer_info()[0]), 88)
    if again == 0:
        signal.pause()
        os._exit(1)
    try:
        assert again == pid, (again, pid, ctypes.get_errno())
        assert family.task_get({"pid": pid})["identity"]["pid"] == pid
        refused(lambda: family.task_get({"pidfd": pidfd}), errno.ESRCH, "no such task")
        refused(lambda: family.process_get({"pidfd": pidfd}), errno.ESRCH, "no such process")
    finally:
        os.kill(again, signal.SIGKILL)
        os.waitpid(again, 0)


def readable(pid):
    """Whether C's /proc/PID/io can be read here."""
    try:
        Path(f"/proc/{pid}/io").read_text("ascii")
        return True
    except PermissionError:
        return False


def check_sees(family, pids, expected):
    """Fails unless the socket shows those, one by one and dumped, and no others of them."""
    seen = set(tasks(family))
    processes = {one["identity"]["pid"] for one in family.dump("process-get", {})}
    for pid in pids:
        assert (pid in seen) == (pid in expected), (pid, expected)
        assert (pid in processes) == (pid in expected), (pid, expected)
        if pid in expected:
            assert family.task_get({"pid": pid})["identity"]["pid"] == pid
        else:
            refused(lambda pid=pid: family.task_get({"pid": pid}), errno.EPERM, "/proc/PID/io")
            refused(lambda pid=pid: family.process_get({"pid": pid}), errno.EPERM, "/proc/PID/io")


def test_who_sees_what():
    """Who may read /proc/PID/io sees a task, through a socket that whoever opened may, too."""
    root_socket = connect()
    with child() as of_root, child(uid=NOBODY) as of_nobody, child(uid=SOMEBODY) as of_somebody:
        pids = [1, os.getpid(), of_root, of_nobody, of_somebody]
        check_sees(root_socket, pids, set(pids))

        def as_user(uid, pid):
            become(uid)
            expected = {pid for pid in pids if readable(pid)}
            assert expected == {pid}
            check_sees(connect(), pids, expected)
            # One that root has opened shows no more.
            check_sees(root_socket, pids, expected)
            # A thread that does not dump is hidden, as in /proc.
            me = os.getpid()
            assert tasks(connect()).keys() == {me, pid}

        in_child(lambda: as_user(NOBODY, of_nobody))
        in_child(lambda: as_user(SOMEBODY, of_somebody))

        # And root sees through one that nobody has opened what nobody does.
        ours, theirs = socket.socketpair()

        def open_as_nobody():
            become(NOBODY)
            family = connect()
            socket.send_fds(theirs, [b"x"], [family.sock.fileno()])

        in_child(open_as_nobody)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        handed = connect()
        os.dup2(fds[0], handed.sock.fileno())
        check_sees(handed, pids, {of_nobody})
        # Not even itself, which C's ptrace_may_access() would allow.
        refused(lambda: handed.task_get({"pid": os.getpid()}), errno.EPERM, "/proc/PID/io")

        # A privileged reader gets no more than who began the dump may see.
        def begin_as_nobody():
            become(NOBODY)
            raw_dump_begin(handed.sock, handed.nlproto.family_id)

        in_child(begin_as_nobody)
        assert raw_dump_end(handed.sock) <= {of_nobody}


def test_setuid_program():
    """What a setuid program writes to a socket shows who has opened that nothing new."""
    cat, secret, asked = (COPIES / name for name in ("cat", "secret", "request"))
    shutil.copy("/bin/cat", cat)
    cat.chmod(0o4755)
    secret.write_text("for root", "ascii")
    secret.chmod(0o600)
    asked.write_bytes(struct.pack("=IHHIIBBHHHI", 28, connect().nlproto.family_id, DUMP, 1, 0,
                                  TASK_GET, 1, 0, 8, FIELDS, 1))
    with child() as of_root, child(uid=NOBODY) as of_nobody:
        def seen_by(family):
            subprocess.run([cat, asked], stdout=family.sock.fileno(), check=True)
            return raw_dump_end(family.sock)

        def as_nobody():
            become(NOBODY)
            # It does have root's privileges.
            assert subprocess.run([cat, secret], stdout=subprocess.PIPE,
                                  check=True).stdout == b"for root"
            seen = seen_by(connect())
            assert of_nobody in seen and seen.isdisjoint({1, of_root, os.getpid()}), seen

        assert {1, of_root, of_nobody} <= seen_by(connect())
        in_child(as_nobody)


def test_namespaces():
    """Ids are those of the caller's pid and user namespaces, privileges the initial one's."""
    outside = os.getpid()

    def inside():
        # The first of a pid namespace, with all privileges in a user namespace.
        family = connect()
        assert os.getpid() == 1
        with child() as pid:
            records = tasks(family)
            assert set(records) == {1, pid}, records.keys()
            for record in records.values():
                assert record["identity"]["uid"] == 0
            assert records[pid]["identity"]["ppid"] == 1
            assert records[1]["identity"]["ppid"] == 0
            refused(lambda: family.task_get({"pid": outside}), errno.ESRCH, "no such task")
            assert set(tasks(family, filter={"uid": 0})) == {1, pid}
            refused(lambda: tasks(family, filter={"uid": SOMEBODY}), errno.EINVAL, "no user")

    def unshared():
        become(SOMEBODY)
        assert LIBC.prctl(4, 1, 0, 0, 0) == 0
        assert LIBC.unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0, ctypes.get_errno()
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"0 {SOMEBODY} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"0 {SOMEBODY} 1", "ascii")
        in_child(inside)
        # Still in the outer pid namespace: nobody else's tasks for all these privileges.
        assert 1 not in tasks(connect())

    in_child(unshared)


def raw_dump_begin(sock, family_id, fields=1, sequence=1):
    """Asks for a dump of threads."""
    attribute = struct.pack("=HHI", 8, FIELDS, fields)
    length = 20 + len(attribute)
    sock.send(struct.pack("=IHHIIBBH", length, family_id, DUMP, sequence, 0, TASK_GET, 1, 0)
              + attribute)


def raw_dump_end(sock, size=65536):
    """Reads a dump to its end; returns the ids, each of which may be there once."""
    ids = []
    while True:
        data, _, flags, _ = sock.recvmsg(size)
        assert not flags & socket.MSG_TRUNC, "a message is cut off"
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == DONE:
                assert struct.unpack_from("=i", data, 16) == (0,)
                assert ids == sorted(set(ids)), "not in order, or twice"
                return set(ids)
            assert kind != ERROR, struct.unpack_from("=i", data, 16)
            assert struct.unpack_from("=HHHH", data, 20)[1] == 0x8000 | IDENTITY
            ids.append(struct.unpack_from("=I", data, 28)[0])
            data = data[length:]


def test_exact_dumps():
    """1,000 dumps under a storm of forks: who lives throughout is there exactly once."""
    family = connect()
    family_id = family.nlproto.family_id
    storm = os.fork()
    if storm == 0:
        while True:
            pids = []
            for _ in range(random.randrange(1, 20)):
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
                pids.append(pid)
            for pid in pids:
                os.waitpid(pid, 0)
    constant = []
    try:
        for _ in range(60):
            pid = os.fork()
            if pid == 0:
                while True:
                    signal.pause()
            constant.append(pid)
        lasting = {1, os.getpid(), *constant}
        come_and_gone = set()
        for number in range(int(os.environ.get("DUMPS", "1000"))):
            # Also sizes that nothing is aligned to; a socket is dumped to with its largest.
            size = 4096 + number
            raw_dump_begin(family.sock, family_id)
            seen = raw_dump_end(family.sock, size)
            assert lasting <= seen, (number, lasting - seen)
            come_and_gone |= seen - lasting
        assert len(come_and_gone) > number // 10, "there was no storm"
    finally:
        for pid in [storm, *constant]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_small_buffers():
    """With small buffers, dumps are the same."""
    small = connect(recv_size=4096)
    with child() as one, child() as other:
        for pid in (one, other):
            stopped(pid)
        wide = tasks(connect())
        narrow = tasks(small)
        for pid in (one, other):
            assert narrow[pid] == wide[pid]


def test_threads():
    """A process's record is the sum over the threads that live and have lived."""
    program = """
import threading, time, sys
def work():
    sum(range(300_000))
    with open("/dev/null", "wb") as file:
        file.write(bytes(10_000))
for _ in range(5):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
wait = threading.Event()
for _ in range(3):
    threading.Thread(target=wait.wait, daemon=True).start()
print("ready", flush=True)
time.sleep(1000)
"""
    family, taskstats = connect(), connect("taskstats")
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        pid = stopped(process.pid)
        record = family.process_get({"pid": pid})
        members = tasks(family, filter={"tgid": pid})
        assert record["threads"] == len(members) == 4
        leader = members[pid]
        assert record["identity"] == leader["identity"]
        assert record["status"] == leader["status"]
        stats = taskstats.get({"tgid": pid})["aggr-tgid"]["stats"]
        # TASKSTATS lacks what threads do from when they have left their counts until they are gone.
        cpu = record["cpu"]["user-time"] + record["cpu"]["system-time"]
        assert cpu >= stats["cpu-run-real-total"], (record, stats)
        assert record["cpu"]["run-time"] >= stats["cpu-run-virtual-total"], (record, stats)
        assert record["switches"]["voluntary"] >= stats["nvcsw"], (record, stats)
        assert record["switches"]["involuntary"] >= stats["nivcsw"], (record, stats)
        assert record["cpu-delay"]["count"] == stats["cpu-count"]
        assert record["cpu-delay"]["total"] == stats["cpu-delay-total"]
        longest = max(one["cpu-delay"]["longest"] for one in members.values()
                      if "cpu-delay" in one)
        assert record["cpu-delay"]["longest"] >= longest
        text = Path(f"/proc/{pid}/io").read_text("ascii")
        proc = {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", text)}
        assert record["io"]["write-char"] == proc["wchar"] >= 50_000
        assert record["io"]["read-syscalls"] == proc["syscr"]
        stat = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        assert record["faults"] == {"minor": int(stat[7]), "major": int(stat[9])}
        # Those that have ended have used some of it.
        for field in ("user-time", "run-time"):
            assert record["cpu"][field] > sum(one["cpu"][field] for one in members.values())
    finally:
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
    # It has hardly run since. wait4() cuts off what is less than a microsecond.
    assert record["cpu"]["run-time"] <= (usage.ru_utime + usage.ru_stime) * 1e9 + 2000, (
        record, usage)
    assert record["switches"]["voluntary"] <= usage.ru_nvcsw
    assert record["switches"]["involuntary"] <= usage.ru_nivcsw


def test_c_client():
    """The sample in C, with what the kernel's generator makes for it, is told the same."""
    top = Path(__file__).parents[3]
    generator = SOURCE / "tools/net/ynl/pyynl/ynl_gen_c.py"
    # The generator looks for the schema, and for the top of a kernel's tree, above the description.
    specs = COPIES / "netlink/specs"
    specs.mkdir(parents=True)
    (COPIES / "MAINTAINERS").touch()
    shutil.copy(COPIES / "taskacct.yaml", specs)
    shutil.copy(SOURCE / "Documentation/netlink/genetlink.yaml", specs.parent)
    for kind, suffix in ("--header", "h"), ("--source", "c"):
        subprocess.run([sys.executable, "-B", generator, "--mode", "user", kind, "--spec",
                        specs / "taskacct.yaml", "-o", COPIES / f"taskacct-user.{suffix}"],
                       check=True)
    program = COPIES / "taskacct_delays"
    library = SOURCE / "tools/net/ynl/lib"
    subprocess.run(
        ["gcc", "-o", program, f"-I{COPIES}", f"-I{library}", f"-I{top / 'include/uapi'}",
         top / "samples/taskacct_delays.c", COPIES / "taskacct-user.c", library / "ynl.c"],
        check=True)
    with child() as pid:
        stopped(pid)
        lines = subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout
        found = {}
        for line in lines.decode("ascii", "replace").splitlines():
            number, cpu, block, name = line.split(" ", 3)
            found[int(number)] = int(cpu), int(block), name
        assert {1, os.getpid(), pid} <= set(found), found
        record = connect().task_get({"pid": pid})
        assert found[pid] == (
            record.get("cpu-delay", {}).get("total", 0),
            record.get("block-io-delay", {}).get("total", 0),
            record["identity"]["comm"].rstrip(b"\0").decode("ascii")), (found[pid], record)


def ending(act):
    """Runs a child that does something and ends; returns its pid and how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(99)
    return pid, os.waitpid(pid, 0)[1]


def many_ends(number):
    """Lets a shell start so many children, one after the other, and ends it."""
    loop = f"i=0; while [ $i -lt {number} ]; do (:); i=$((i + 1)); done"
    subprocess.run(["sh", "-c", loop], check=True)


def notifications(family):
    """All notifications so far, as pairs of name and record, of tasks in the order of ends."""
    family.check_ntf()
    found = []
    while not family.async_msg_queue.empty():
        message = family.async_msg_queue.get_nowait()
        found.append((message["name"], message["msg"]))
    return found


def test_exits():
    """A socket is sent what ends as far as its filter lets it through, with what it has used."""
    family, other = connect(), connect()
    assert family.exit_stats_get({}) == dict.fromkeys(
        ("matched", "delivered", "lost-full", "lost-memory", "gaps"), 0)
    family.exit_filter_set({"threads": True, "processes": True, "ancestor": os.getpid()})
    begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    pid, status = ending(lambda: (work(), os._exit(7)))
    end = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    found = notifications(family)
    assert [name for name, _ in found] == ["exit-ntf", "process-exit-ntf"], found
    thread, process = (record for _, record in found)
    for record in thread, process:
        assert record["identity"]["pid"] == record["identity"]["tgid"] == pid
        assert record["identity"]["ppid"] == os.getpid()
        assert record["status"]["exit-code"] == status == 7 << 8
        assert "exiting" in record["status"]["flags"]
        assert begin < record.pop("exit-time") < end
        assert record.pop("exit-cpu") in os.sched_getaffinity(0)
        assert record["io"]["write-char"] >= 100_000
        assert record["memory"]["resident-max"] > 4_000_000
    assert process.pop("threads") == 0
    # It has been running in between.
    for record in thread, process:
        for group in ("cpu", "faults", "memory", "switches", "cpu-delay"):
            record.pop(group)
        record["io"].pop("read-char")
    assert thread == process
    assert family.exit_stats_get({})["delivered"] == 2
    assert notifications(other) == [] and other.exit_stats_get({})["matched"] == 0

    # Each filter, with one that it lets through and one that it does not.
    own = {"threads": True, "ancestor": os.getpid(), "fields": {"identity"}}

    def pids(request, *acts):
        family.exit_filter_set(request)
        ended = [ending(act)[0] for act in acts]
        return [ended.index(record["identity"]["pid"]) for _, record in notifications(family)]

    def good():
        os._exit(0)

    def bad():
        os._exit(1)

    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    def somebody():
        become(SOMEBODY)
        os._exit(0)

    assert pids(own, good, bad) == [0, 1]
    assert pids(own | {"failed": True}, good, bad, killed) == [1, 2]
    assert pids(own | {"uid": SOMEBODY}, good, somebody) == [1]
    assert pids({"processes": True, "ancestor": os.getpid()}, good) == [0]
    assert pids(own | {"ancestor": 2}, good) == []
    # Grandchildren.
    family.exit_filter_set(own)
    ending(lambda: (ending(good), os._exit(0)))
    assert len(notifications(family)) == 2
    family.exit_filter_set({"none": True})
    ending(good)
    assert notifications(family) == []
    for request, says in (({}, "neither threads nor"), ({"none": True, "threads": True}, "yet"),
                          ({"threads": True, "cgroup-alone": True}, "no control group")):
        refused(lambda request=request: family.exit_filter_set(request), errno.EINVAL, says)
    if cgroups():
        group = Path("/sys/fs/cgroup/exits")
        group.mkdir()

        def inside():
            (group / "cgroup.procs").write_text("0", "ascii")
            os._exit(0)

        assert pids(own | {"cgroup-id": group.stat().st_ino}, good, inside) == [1]
        group.rmdir()


def count_ended(sock):
    """Counts messages until there are none; also returns whether some were lost."""
    count, lost = 0, False
    while True:
        try:
            data = sock.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return count, lost
        except OSError as error:
            assert error.errno == errno.ENOBUFS, error
            lost = True
            continue
        count += 1
        assert struct.unpack_from("=I", data) == (len(data),)


def test_lost_exits():
    """What was received and what is said to be lost is all that the filter let through."""
    family = connect()
    family.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    family.exit_filter_set({"threads": True, "ancestor": os.getpid()})
    received, told = 0, False
    for _ in range(20):
        many_ends(149)
        count, lost = count_ended(family.sock)
        received, told = received + count, told or lost
    # And the shells.
    number = 20 * 150
    count, lost = count_ended(family.sock)
    received, told = received + count, told or lost
    # The answer needs room in the buffer as well.
    stats = family.exit_stats_get({})
    assert told and stats["lost-full"] > 0, stats
    assert stats["matched"] == number, stats
    assert received == stats["delivered"], (received, stats)
    assert stats["delivered"] + stats["lost-full"] + stats["lost-memory"] == number, stats


def test_group():
    """The members of the group get all that ends; others cannot be members, or get nothing."""
    member = connect()
    member.ntf_subscribe("exits")
    pid, _ = ending(lambda: os._exit(3))
    names = {name for name, record in notifications(member) if record["identity"]["pid"] == pid}
    assert names == {"exit-ntf", "process-exit-ntf"}

    def as_nobody():
        become(NOBODY)
        refused(lambda: connect().exit_filter_set({"threads": True}), errno.EPERM)
        try:
            connect().ntf_subscribe("exits")
        except PermissionError:
            return
        raise AssertionError("nobody is a member")

    in_child(as_nobody)
    ready, begin = os.pipe()
    done, over = os.pipe()

    def in_namespaces():
        become(NOBODY)
        # CLONE_NEWNET as well.
        assert LIBC.unshare(CLONE_NEWUSER | 0x40000000) == 0, ctypes.get_errno()
        refused(lambda: connect().exit_filter_set({"threads": True}), errno.EPERM)
        family = connect()
        family.ntf_subscribe("exits")
        os.write(begin, b"x")
        os.read(done, 1)
        assert notifications(family) == []

    listener = os.fork()
    if listener == 0:
        try:
            in_namespaces()
            os._exit(0)
        except BaseException:  # pylint: disable=broad-exception-caught
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    os.read(ready, 1)
    many_ends(1000)
    os.write(over, b"x")
    assert os.waitpid(listener, 0)[1] == 0


class Fuzzer:
    """Makes requests of the family's own description: mostly right, with something wrong."""

    FLAGS = {name: (REQUEST, DUMP) for name in ("task-get", "process-get", "cgroup-get")}

    def __init__(self, family, seed):
        self.family = family
        self.random = random.Random(seed)
        self.pidfds = [os.pidfd_open(1), os.pidfd_open(os.getpid())]

    def number(self):
        """A number that means something, or anything."""
        return self.random.choice((
            0, 1, 2, os.getpid(), self.random.choice(self.pidfds), 1 << 31, (1 << 32) - 1,
            self.random.randrange(1 << 10), self.random.getrandbits(32)))

    def attribute(self, spec):
        """An attribute, now and then of another type or size than it should be."""
        kind = spec["type"]
        if kind == "nest":
            value = self.attributes(spec["nested-attributes"])
        elif kind == "flag":
            value = b""
        elif kind == "u64":
            value = struct.pack("=Q", self.number())
        else:
            value = struct.pack("=I", self.number())
        number = spec.value | (0x8000 if kind == "nest" else 0)
        if self.random.random() < 0.05:
            value = self.random.randbytes(self.random.randrange(20))
        if self.random.random() < 0.02:
            number = self.random.getrandbits(16)
        length = 4 + len(value)
        if self.random.random() < 0.02:
            length = self.random.getrandbits(self.random.choice((4, 8, 16)))
        return struct.pack("=HH", length, number) + value + bytes(-len(value) % 4)

    def attributes(self, name):
        """Some attributes of a set."""
        specs = [spec for _, spec in self.family.attr_sets[name].items()]
        count = self.random.choice((0, 1, 1, 1, 2, 2, 3, 8))
        return b"".join(self.attribute(self.random.choice(specs)) for _ in range(count))

    def request(self):
        """A request, and whether it asks for a dump."""
        name = self.random.choice((
            "task-get", "task-get", "process-get", "info-get", "cgroup-get", "exit-filter-set",
            "exit-stats-get"))
        operation = self.family.ops[name]
        if operation.req_value is None or self.random.random() < 0.02:
            command = self.random.randrange(256)
        else:
            command = operation.req_value
        flags = self.random.choice(self.FLAGS.get(name, (REQUEST,)))
        if self.random.random() < 0.05:
            flags = REQUEST | self.random.getrandbits(16)
        payload = self.attributes(operation.attr_set.name)
        if self.random.random() < 0.02:
            payload = self.random.randbytes(self.random.randrange(64))
        header = struct.pack("=IHHIIBBH", 20 + len(payload), self.family.nlproto.family_id,
                             flags, 7, 0, command, self.random.choice((1, 1, 1, 0, 255)),
                             self.random.choice((0,) * 20 + (1,)))
        return header + payload


def check_answer(data):
    """Fails unless the messages are whole, and their attributes are."""
    def walk(attributes):
        while attributes:
            length, kind = struct.unpack_from("=HH", attributes)
            assert 4 <= length <= len(attributes), (length, attributes)
            if kind & 0x8000:
                walk(attributes[4:length])
            attributes = attributes[(length + 3) & ~3:]

    kinds = []
    while data:
        length, kind = struct.unpack_from("=IH", data)
        assert 16 <= length <= len(data), (length, len(data))
        kinds.append(kind)
        if kind not in (ERROR, DONE):
            walk(data[20:length])
        data = data[(length + 3) & ~3:]
    return kinds


def test_fuzz(number=5000):
    """Random requests are answered or refused, and the kernel has nothing to complain about."""
    seed = int(os.environ.get("SEED", "1"))
    number = int(os.environ.get("MESSAGES", number))
    family = connect()
    fuzzer = Fuzzer(family, seed)
    netlink = socket.NETLINK_GENERIC if hasattr(socket, "NETLINK_GENERIC") else 16
    sock, answered, errors = None, 0, 0
    for _ in range(number):
        if sock is None:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink)
            sock.settimeout(0)
        sock.send(fuzzer.request())
        while True:
            try:
                kinds = check_answer(sock.recv(fuzzer.random.choice((1 << 15, 1 << 16))))
            except BlockingIOError:
                break
            except OSError as error:
                assert error.errno == errno.ENOBUFS, error
                continue
            errors += kinds.count(ERROR)
            answered += len(kinds)
            if fuzzer.random.random() < 0.05:
                # With what may be the rest of a dump.
                sock.close()
                sock = None
                break
    assert answered > errors > number // 10, (answered, errors)
    assert family.task_get({"pid": os.getpid()})["identity"]["pid"] == os.getpid()


def test_unload():
    """A dump that is given up in the middle holds the module until its socket is closed."""
    family = connect()
    family_id = family.nlproto.family_id
    # The first buffer of messages comes with the request, the next ones as they are read.
    raw_dump_begin(family.sock, family_id, fields=1023)
    raw_dump_begin(family.sock, family_id, fields=1023)
    family.sock.recv(4096)
    _, kind, _, _, _, error = struct.unpack_from("=IHHIIi", family.sock.recv(4096))
    assert (kind, error) == (ERROR, -errno.EBUSY), (kind, error)
    if not livepatch():
        # By livepatch, C would answer in any case.
        attempt = subprocess.run(["rmmod", MODULE.stem], check=False, stderr=subprocess.PIPE)
        assert attempt.returncode != 0, "unloaded in the middle of a dump"
    family.sock.close()
    # A socket with a filter, and one that is a member of the group, do not.
    connect().exit_filter_set({"threads": True, "processes": True})
    filtered, member = connect(), connect()
    filtered.exit_filter_set({"threads": True})
    member.ntf_subscribe("exits")
    unload()
    load()
    ending(lambda: os._exit(0))
    assert filtered.sock.fileno() >= 0 and member.sock.fileno() >= 0


def load():
    """Loads the module; when this returns, it hears of all ends."""
    subprocess.run(["rust-taskstats", "load", MODULE], check=True)
    # The family's id is another each time.
    ynl.GenlProtocol.genl_family_name_to_id = {}


def unload():
    """Unloads the module; fails if it is in use."""
    subprocess.run(["rust-taskstats", "unload"], check=True)


def livepatch():
    """The module as a livepatch, if it is one."""
    path = Path("/sys/kernel/livepatch") / MODULE.stem
    return path if path.exists() else None


def test_seam_change():
    """A dump goes on while C takes TASKSTATS back, and what misses ends from then on says so."""
    family, other = connect(recv_size=4096), connect()
    assert other.info_get({})["exits-on"] == 1
    if not livepatch():
        # Through the slot, the seam does not change before the module goes, which a dump prevents.
        return
    other.exit_filter_set({"threads": True})
    cgroups()
    root = os.stat("/sys/fs/cgroup").st_ino
    assert other.cgroup_get({"id": root})["processes"] > 1
    with child() as one:
        raw_dump_begin(family.sock, family.nlproto.family_id, fields=1023)
        (livepatch() / "enabled").write_text("0", "ascii")
        # It goes when no task is redirected any more.
        while livepatch():
            time.sleep(0.1)
        seen = raw_dump_end(family.sock, 4096)
        assert {1, os.getpid(), one} <= seen, seen
    assert other.info_get({})["exits-on"] == 0
    assert other.exit_stats_get({})["gaps"] == 1
    refused(lambda: other.cgroup_get({"id": root}), errno.EAGAIN, "livepatch")
    refused(lambda: other.exit_filter_set({"threads": True}), errno.EAGAIN, "livepatch")
    other.exit_filter_set({"none": True})
    # A livepatch that was disabled cannot be enabled again.
    unload()
    load()
    other = connect()
    other.exit_filter_set({"threads": True})
    assert other.exit_stats_get({})["gaps"] == 0
    assert other.cgroup_get({"id": root})["exited"] == 0


def main():
    """Loads the module, runs the tests, and unloads it."""
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    # Those that load the module again come last.
    last = ["test_seam_change", "test_unload", "test_families"]
    names = sys.argv[3:] or [name for name in tests if name not in last] + last
    COPIES.chmod(0o755)
    for file in SPECS.glob("task*.yaml"):
        (COPIES / file.name).write_bytes(file.read_bytes())
    if not Path(f"/sys/module/{MODULE.stem}").exists():
        load()
    for name in names:
        begin = time.monotonic()
        tests[name]()
        print(f"{name}: ok, {time.monotonic() - begin:.1f} s", flush=True)
    unload()
    shutil.rmtree(COPIES)
    print(f"taskacct: {len(names)} tests passed")


if __name__ == "__main__":
    main()
