# SPDX-License-Identifier: GPL-2.0
"""The kernel's command-line client of YNL and the crate taskstats are told the same."""

import json
import os
import subprocess
import sys

from children import SOMEBODY, child, ending, stopped, work
from ynl_client import COPIES, SOURCE

CLI = [sys.executable, "-uB", SOURCE / "tools/net/ynl/pyynl/cli.py", "--spec",
       COPIES / "taskacct.yaml", "--no-schema", "--output-json"]


def ynl(*arguments, request=None):
    """What YNL's client prints."""
    command = [*CLI, *arguments]
    if request is not None:
        command += ["--json", json.dumps(request)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    return json.loads(printed.stdout)


def crate(question, number):
    """What the crate is told."""
    printed = subprocess.run(["suite", "taskacct", question, str(number)], stdout=subprocess.PIPE,
                             check=True)
    return json.loads(printed.stdout)


def test_one():
    """A task and a process that stand still: --do."""
    with child(work) as pid:
        stopped(pid)
        for operation, question in ("task-get", "task"), ("process-get", "process"):
            found = ynl("--do", operation, request={"pid": pid})
            assert len(found) >= 9, found
            assert found == crate(question, pid), (operation, found)


def test_all():
    """Dumps, also with small buffers: --dump, --dbg-small-recv."""
    with child(work, uid=SOMEBODY) as one, child(uid=SOMEBODY) as other:
        for pid in one, other:
            stopped(pid)
        for request, operation, question, number in (
                ({"tgid": one}, "task-get", "tasks", one),
                ({"uid": SOMEBODY}, "process-get", "processes", SOMEBODY)):
            expected = crate(question, number)
            assert [record["identity"]["pid"] for record in expected] == (
                [one] if question == "tasks" else [one, other]), expected
            for options in [], ["--dbg-small-recv", "4096"]:
                found = ynl(*options, "--dump", operation, request={"filter": request})
                assert found == expected, (operation, options, found)


def test_exits():
    """What ends, to a member of the group and to a socket with a filter: --subscribe."""
    with subprocess.Popen(["suite", "taskacct", "exits", str(os.getpid())],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
        assert json.loads(listener.stdout.readline()) == "ready"
        with subprocess.Popen([*CLI, "--subscribe", "exits"], stdout=subprocess.PIPE) as member:
            # It says nothing once it is one: it is when it has heard of somebody.
            heard, ended = [], set()

            def hear():
                line = json.loads(member.stdout.readline())
                heard.append(line)
                return line["name"], line["msg"]["identity"]["pid"]

            os.set_blocking(member.stdout.fileno(), False)
            while not member.stdout.peek(1):
                ending(lambda: os._exit(0))
            os.set_blocking(member.stdout.fileno(), True)
            for _ in range(20):
                ended.add(ending(work)[0])
            last = ending(lambda: os._exit(3))[0]
            while hear() != ("process-exit-ntf", last):
                pass
            member.terminate()
        told = listener.communicate(b"\n")[0].splitlines()
    assert listener.returncode == 0
    told = [json.loads(line) for line in told]

    ended.add(last)
    found = of(ended, heard)
    assert len(found) == 2 * len(ended), (len(found), ended)
    assert found == of(ended, told), (found, told)


# What goes on while a task ends: each socket's message is made when it is that one's turn.
MOVES = ["exit-cpu", "exit-time", "cpu", "cpu-delay", "irq-delay", "faults", "memory", "switches"]


def of(pids, messages):
    """The messages about these, without what moves on between two messages about one end."""
    messages = [message for message in messages if message["msg"]["identity"]["pid"] in pids]
    for message in messages:
        for group in MOVES:
            message["msg"].pop(group, None)
    return messages
