# SPDX-License-Identifier: GPL-2.0
"""Dumps while tasks come and go, and with small buffers."""

import os
import random
import signal

from children import child, stopped
from ynl_client import connect, raw_dump_begin, raw_dump_end, tasks


def test_exact():
    """1,000 dumps under a storm of forks: who lives throughout is there exactly once."""
    family = connect()
    family_id = family.nlproto.family_id
    storm = os.fork()
    if storm == 0:
        while True:
            pids = []
            for _ in range(random.randrange(1, 20)):
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
                pids.append(pid)
            for pid in pids:
                os.waitpid(pid, 0)
    constant = []
    try:
        for _ in range(60):
            pid = os.fork()
            if pid == 0:
                while True:
                    signal.pause()
            constant.append(pid)
        lasting = {1, os.getpid(), *constant}
        come_and_gone = set()
        for number in range(int(os.environ.get("DUMPS", "1000"))):
            # Also sizes that nothing is aligned to; a socket is dumped to with its largest.
            size = 4096 + number
            raw_dump_begin(family.sock, family_id)
            seen = raw_dump_end(family.sock, size)
            assert lasting <= seen, (number, lasting - seen)
            come_and_gone |= seen - lasting
        assert len(come_and_gone) > number // 10, "there was no storm"
    finally:
        for pid in [storm, *constant]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_small_buffers():
    """With small buffers, dumps are the same."""
    small = connect(recv_size=4096)
    with child() as one, child() as other:
        for pid in (one, other):
            stopped(pid)
        wide = tasks(connect())
        narrow = tasks(small)
        for pid in (one, other):
            assert narrow[pid] == wide[pid]
