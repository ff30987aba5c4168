# SPDX-License-Identifier: GPL-2.0
"""The family comes and goes with the module, and notices when livepatch ends."""

import errno
import os
import struct
import subprocess
import time

from children import child, ending
from control_groups import cgroups
from module import livepatch, load, unload
from ynl_client import ERROR, MODULE, connect, families, raw_dump_begin, raw_dump_end, refused


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
