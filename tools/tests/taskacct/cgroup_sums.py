# SPDX-License-Identifier: GPL-2.0
"""What control groups have used."""

import errno
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

from children import NOBODY, become, child, few_ids, in_child, sleepers, stopped
from control_groups import group
from ynl_client import CGROUP_GET, REQUEST, connect, refused

EXITED, UNCOUNTED = 7, 26


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


def test_sums():
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


def test_never_shrink():
    """Nor while processes and threads come and go, and control groups are removed."""
    family = connect()
    sock, family_id = family.sock, family.nlproto.family_id
    number = int(os.environ.get("FORKS", "60"))
    with group("taskacct") as (outer,), few_ids(), sleepers(5 * number):
        one, seen, reads = outer.stat().st_ino, {}, 0
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
    assert reads > 8 * number, reads


def test_refusals():
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
