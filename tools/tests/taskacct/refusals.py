# SPDX-License-Identifier: GPL-2.0
"""Requests that are refused."""

import errno
import os

from children import child
from ynl_client import connect, refused


def test_words():
    """Each refusal has words, and says which attribute is at fault."""
    family = connect()
    pidfd = os.pidfd_open(os.getpid())
    with open("/dev/null", "rb") as null:
        for request, error, says in (
                ({}, errno.EINVAL, "neither a pid nor a pidfd"),
                ({"pid": 1, "pidfd": pidfd}, errno.EINVAL, "one is enough"),
                ({"pid": 0}, errno.ERANGE, ".pid"),
                ({"pid": 1 << 31}, errno.ERANGE, ".pid"),
                ({"pid": 4_000_000}, errno.ESRCH, "no such task"),
                ({"pidfd": 9999}, errno.EBADF, "no open file"),
                ({"pidfd": null.fileno()}, errno.EBADF, "not a pidfd"),
                ({"pid": 1, "fields": 1 << 10}, errno.EINVAL, ".fields"),
                ({"pid": 1, "filter": {"uid": 0}}, errno.EINVAL, "for dumps")):
            refused(lambda request=request: family.task_get(request), error, says)
    dump = family.dump
    for request, error, says in (
            ({"pid": 1}, errno.EINVAL, "there is a filter"),
            ({"pidfd": pidfd}, errno.EINVAL, "there is a filter"),
            ({"filter": {"tgid": 0}}, errno.ERANGE, ".filter.tgid"),
            ({"filter": {"cgroup-alone": True}}, errno.EINVAL, "no control group"),
            ({"filter": {"cgroup-id": 1 << 60}}, errno.ENOENT, "no control group"),
            ({"filter": {"uid": 0xffffffff}}, errno.EINVAL, "no user")):
        refused(lambda request=request: dump("task-get", request), error, says)
    refused(lambda: family.task_get({"pid": 1, "threads": 1}), errno.EINVAL, "threads")
    with child() as pid:
        pass
    refused(lambda: family.process_get({"pid": pid}), errno.ESRCH, "no such process")
