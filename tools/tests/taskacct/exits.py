# SPDX-License-Identifier: GPL-2.0
"""What is sent of what ends."""

import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path

from children import (CLONE_NEWNET, CLONE_NEWUSER, LIBC, NOBODY, SOMEBODY, become, ending, in_child,
                      many_ends, work)
from control_groups import cgroups
from ynl_client import connect, notifications, refused


def test_what_is_sent():
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


def test_lost():
    """What was received and what is said to be lost is all that the filter let through."""
    family = connect()
    family.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    family.exit_filter_set({"threads": True, "ancestor": os.getpid()})
    received, told = 0, False
    rounds = int(os.environ.get("EXITS", "3000")) // 150
    for _ in range(rounds):
        many_ends(149)
        count, lost = count_ended(family.sock)
        received, told = received + count, told or lost
    # And the shells.
    number = rounds * 150
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
        assert LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, ctypes.get_errno()
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
    many_ends(int(os.environ.get("UNHEARD", "1000")))
    os.write(over, b"x")
    assert os.waitpid(listener, 0)[1] == 0
