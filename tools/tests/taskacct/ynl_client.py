# SPDX-License-Identifier: GPL-2.0
"""Asks the family by way of YNL, the kernel's own client, or with requests made by hand."""

import shutil
import socket
import struct
import sys
import tempfile
from pathlib import Path

MODULE = Path(sys.argv[1])
SOURCE = Path(sys.argv[2])
SPECS = Path(__file__).parents[3] / "Documentation/netlink/specs"
# What other users can read.
COPIES = Path(tempfile.mkdtemp())
COPIES.chmod(0o755)
for file in SPECS.glob("task*.yaml"):
    shutil.copyfile(file, COPIES / file.name)

sys.path.append(str(SOURCE / "tools/net/ynl/pyynl"))
from lib import NlError, YnlFamily, ynl  # pylint: disable=wrong-import-position

GROUPS = ["identity", "status", "cpu", "delays", "delay-extremes", "memory", "io", "faults",
          "switches", "executable"]
# NLM_F_REQUEST, and with it NLM_F_ROOT and NLM_F_MATCH.
REQUEST, DUMP = 0x1, 0x301
ERROR, DONE = 2, 3
TASK_GET = 1
CGROUP_GET = 4
FIELDS, IDENTITY = 3, 6


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


def notifications(family):
    """All notifications so far, as pairs of name and record, of tasks in the order of ends."""
    family.check_ntf()
    found = []
    while not family.async_msg_queue.empty():
        message = family.async_msg_queue.get_nowait()
        found.append((message["name"], message["msg"]))
    return found


def families():
    """All families that there are, by their names."""
    spec = SOURCE / "Documentation/netlink/specs/nlctrl.yaml"
    found = YnlFamily(str(spec), schema="").dump("getfamily", {})
    return {family["family-name"]: family for family in found}


def forget_families():
    """Forgets the ids of families, which are others once the module was loaded again."""
    ynl.GenlProtocol.genl_family_name_to_id = {}
