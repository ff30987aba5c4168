# SPDX-License-Identifier: GPL-2.0
"""Who may see what."""

import array
import ctypes
import errno
import os
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

from children import (CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER, LIBC, NOBODY, SOMEBODY, become,
                      child, in_child)
from ynl_client import (COPIES, DUMP, FIELDS, TASK_GET, connect, raw_dump_begin, raw_dump_end,
                        refused, tasks)


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


def test_net_namespace():
    """Another network namespace shows nothing new, nor does it hide anything from root."""
    roots = connect()
    with child() as of_root, child(uid=SOMEBODY) as of_somebody:
        pids = [1, os.getpid(), of_root, of_somebody]

        def its_owner():
            become(SOMEBODY)
            assert LIBC.prctl(4, 1, 0, 0, 0) == 0
            # With CAP_NET_ADMIN over it.
            assert LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, ctypes.get_errno()
            # Not even its user's tasks outside, as in /proc.
            expected = {pid for pid in pids if readable(pid)}
            assert not expected, expected
            check_sees(connect(), pids, expected)
            check_sees(roots, pids, expected)
            with child() as inside:
                assert readable(inside)
                assert tasks(connect()).keys() == {os.getpid(), inside}
            refused(lambda: connect().cgroup_get({"id": 1}), errno.EPERM)

        def root():
            assert LIBC.unshare(CLONE_NEWNET) == 0, ctypes.get_errno()
            check_sees(connect(), pids, set(pids))

        in_child(its_owner)
        in_child(root)
