# SPDX-License-Identifier: GPL-2.0
"""Allocations that fail, in a kernel with CONFIG_FAILSLAB (--faults)."""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

from children import ending, in_child, many_ends
from control_groups import group, join
from exits import count_ended
from module import load, unload
from ynl_client import NlError, connect

FAILSLAB = Path("/sys/kernel/debug/failslab")
# Those that may wait for memory as well, and silently.
ALWAYS = {"ignore-gfp-wait": "N", "verbose": "0", "times": "-1", "interval": "1",
          "task-filter": "N"}


def extent(function):
    """Where a function of the kernel begins, and where the next symbol does."""
    start, after = None, []
    for line in Path("/proc/kallsyms").read_text("ascii").splitlines():
        address, _, name = line.split(maxsplit=2)
        if name == function:
            start = int(address, 16)
        after.append(int(address, 16))
    assert start, f"the kernel has no {function}, or hides its addresses"
    return start, min(address for address in after if address > start)


@contextmanager
def failing_below(function, percent=0):
    """Has allocations below a function of the kernel fail, with this probability."""
    def configure(settings):
        for name, value in settings.items():
            (FAILSLAB / name).write_text(value, "ascii")

    start, end = extent(function)
    configure(ALWAYS | {"require-start": f"{start:#x}", "require-end": f"{end:#x}",
                        "probability": str(percent)})
    try:
        yield
    finally:
        configure({"probability": "0", "require-start": "0", "require-end": f"{2**64 - 1:#x}"})


def fails_at(nth, act):
    """Does something while this thread's nth allocation fails; returns whether it came to that,
    and what was answered or refused."""
    file = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    try:
        os.pwrite(file, b"%d" % nth, 0)
        try:
            answer = act()
        except NlError as error:
            assert error.error == errno.ENOMEM, error
            answer = None
        left = int(os.pread(file, 16, 0).strip(b"\0\n"))
        os.pwrite(file, b"0", 0)
        return left == 0, answer
    finally:
        os.close(file)


def each_fails(act, before=lambda: None):
    """Has each allocation of a request fail, one in each try, and fails if none did."""
    for nth in range(1, 200):
        before()
        failed, answer = fails_at(nth, act)
        if not failed:
            assert answer is not None
            assert nth > 1, "it allocates nothing"
            return
        before()
        assert act() is not None, "it is refused for ever"
    raise AssertionError("there is no end to it")


def test_requests():
    """Each is refused with -ENOMEM, and answered the next time."""
    family, me = connect(), {"pid": os.getpid()}
    root = {"id": os.stat("/sys/fs/cgroup").st_ino}
    requests = {
        "task-get": lambda: family.task_get(me),
        "process-get": lambda: family.process_get(me),
        "dump of tasks": lambda: family.dump("task-get", {"fields": {"identity"}}),
        "dump of control groups": lambda: family.dump("cgroup-get", {"fields": {"faults"}}),
        "cgroup-get": lambda: family.cgroup_get(root),
        "info-get": lambda: family.info_get({}),
        "exit-stats-get": lambda: family.exit_stats_get({}),
    }
    with failing_below("genl_rcv_msg"), group("allocations"):
        for name, act in requests.items():
            try:
                each_fails(act)
            except Exception as error:
                raise AssertionError(name) from error


def test_first_requests():
    """What only the first of its kind allocates: when counting begins, and a socket's filter."""
    root = {"id": os.stat("/sys/fs/cgroup").st_ino}
    with group("allocations"), failing_below("genl_rcv_msg"):
        for nth in range(1, 200):
            unload()
            load()
            family = connect()
            failed, _ = fails_at(nth, lambda: family.cgroup_get(root))
            answer = family.cgroup_get(root)
            assert answer["since"] > 0 and answer["exited"] == answer["uncounted"] == 0, answer
            if not failed:
                break
        for nth in range(1, 200):
            family = connect()
            want = {"processes": True, "ancestor": os.getpid()}
            failed, answer = fails_at(nth, lambda: family.exit_filter_set(want) or True)
            ending(lambda: os._exit(0))
            # With a refusal, nothing has changed.
            assert count_ended(family.sock)[0] == (1 if answer else 0), (nth, answer)
            family.exit_filter_set(want)
            ending(lambda: os._exit(0))
            assert count_ended(family.sock)[0] == 1, nth
            if not failed:
                assert nth > 1
                return
    raise AssertionError("there is no end to it")


def test_exits(number=2000):
    """Of what ends, each is received, or said to be lost or not counted."""
    number = int(os.environ.get("EXITS", number))
    family = connect()
    with group("allocations") as (path,):
        one = {"id": path.stat().st_ino}
        assert family.cgroup_get(one)["exited"] == 0
        family.exit_filter_set({"processes": True, "ancestor": os.getpid()})
        received = 0

        def some():
            join(path)
            many_ends(99)

        with failing_below("taskstats_exit", percent=10):
            for _ in range(number // 100):
                in_child(some)
                received += count_ended(family.sock)[0]
        # Of each round, the shell and what it was started by end as well.
        number = number // 100 * 101
        stats = family.exit_stats_get({})
        assert stats["lost-memory"] > 0, stats
        assert stats["matched"] == number, (number, stats)
        assert received == stats["delivered"], (received, stats)
        assert stats["delivered"] + stats["lost-full"] + stats["lost-memory"] == number, stats
        record = family.cgroup_get(one)
        assert record["uncounted"] > 0 and record["processes"] == 0, record
        assert record["exited"] + record["uncounted"] >= number, (number, record)
