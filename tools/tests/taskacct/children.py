# SPDX-License-Identifier: GPL-2.0
"""Processes that the tests ask about."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
NOBODY, SOMEBODY = 65534, 1234


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
