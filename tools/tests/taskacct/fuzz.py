# SPDX-License-Identifier: GPL-2.0
"""Random requests."""

import errno
import os
import random
import socket
import struct

from ynl_client import DONE, DUMP, ERROR, REQUEST, connect


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


def test_random_requests(number=5000):
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
