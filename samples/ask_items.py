#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Loads rust_genetlink_sample and asks its family by way of YNL, the kernel's own client. Fails
unless it answers as it should.

Usage: ask_items.py DIRECTORY OF THE MODULE SOURCE OF THE KERNEL
"""

import errno
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

MODULE = Path(sys.argv[1]) / "rust_genetlink_sample.ko"
SOURCE = Path(sys.argv[2])
SPEC = Path(__file__).parents[1] / "Documentation/netlink/specs/rust-items.yaml"

sys.path.append(str(SOURCE / "tools/net/ynl/pyynl"))
from lib import NlError, YnlFamily  # pylint: disable=wrong-import-position

ITEMS = 10_000


def connect():
    """Opens a socket that receives into a page."""
    schema = SOURCE / "Documentation/netlink/genetlink.yaml"
    return YnlFamily(str(SPEC), schema=str(schema), recv_size=4096)


def item(index):
    """What is known of an item."""
    tags = {"colour": index % 8}
    if index % 2 == 0:
        tags["round"] = True
    return {"index": index, "value": index * 1_000_000, "name": "item", "tags": tags}


def refused(act, expected, says):
    """Fails unless the request is refused with this errno, and with these words."""
    try:
        answer = act()
    except NlError as error:
        assert error.error == expected and says in str(error), error
        return
    raise AssertionError(f"{says}: answered {answer}")


def ask():
    """Asks for all that the family has, and for what it refuses."""
    family = connect()

    for index in (0, 1, 4294, 4295, ITEMS - 1):
        assert family.get({"index": index}) == item(index), family.get({"index": index})
    full = {"index": 3, "name": "x" * 15, "tags": {"colour": 7, "round": True}}
    assert family.get(full) == item(3)

    dumped = family.dump("get", {})
    assert len(dumped) == ITEMS, len(dumped)
    assert dumped == [item(index) for index in range(ITEMS)]
    assert family.dump("get", {"index": 9_990}) == [item(index) for index in range(9_990, ITEMS)]
    # One that is given up in the middle.
    flags = 0x301  # NLM_F_DUMP | NLM_F_REQUEST
    request = struct.pack("=IHHIIBBH", 20, family.nlproto.family_id, flags, 1, 0, 1, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as other:  # NETLINK_GENERIC
        other.send(request)
        assert len(other.recv(4096)) > 1000

    refused(lambda: family.get({}), errno.EINVAL, "which item?")
    refused(lambda: family.get({"index": ITEMS}), errno.ERANGE, "out of range")
    refused(lambda: family.get({"index": 1, "name": "x" * 16}), errno.EINVAL, "max-length")
    refused(lambda: family.get({"index": 1, "tags": {"colour": 8}}), errno.ERANGE, "out of range")
    refused(lambda: family.get({"index": 1, "value": 1}), errno.EINVAL, ".value")
    refused(lambda: family.dump("get", {"index": ITEMS}), errno.ERANGE, "out of range")

    refused(lambda: family.announce({"index": 5}), errno.ESRCH, "nobody listens")
    listener = connect()
    listener.ntf_subscribe("events")
    family.announce({"index": 5})
    listener.check_ntf()
    event = listener.async_msg_queue.get_nowait()
    assert event["name"] == "event" and event["msg"] == item(5), event

    os.seteuid(65534)
    assert family.get({"index": 7}) == item(7)
    refused(lambda: family.announce({"index": 5}), errno.EPERM, "")
    os.seteuid(0)


def main():
    """Loads the module, asks, and unloads it."""
    subprocess.run(["insmod", MODULE], check=True)
    ask()
    subprocess.run(["rmmod", MODULE.stem], check=True)
    print("rust-items answers as it should")


if __name__ == "__main__":
    main()
