# SPDX-License-Identifier: GPL-2.0
"""Dumps of some."""

import errno
import os
from pathlib import Path

from children import NOBODY, SOMEBODY, child
from control_groups import cgroups
from ynl_client import connect, refused, tasks


def threads_of_all():
    """The ids of all threads, by /proc."""
    return {int(path.name) for path in Path("/proc").glob("[0-9]*/task/[0-9]*")}


def test_dumps():
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
