# SPDX-License-Identifier: GPL-2.0
"""What is said of a task is what TASKSTATS, /proc and wait4() say."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from children import SOMEBODY, child, stopped, work
from module import livepatch
from ynl_client import GROUPS, connect, tasks

KINDS = {"cpu": "cpu", "block-io": "blkio", "swap-in": "swapin", "reclaim": "freepages",
         "thrashing": "thrashing", "compaction": "compact", "write-copy": "wpcopy", "irq": "irq"}


def proc_io(pid):
    """/proc/PID/io, of the thread."""
    text = Path(f"/proc/{pid}/task/{pid}/io").read_text("ascii")
    return {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", text)}


def compare(record, stats):
    """Compares a task's record with TASKSTATS' of the same task, which does not move."""
    identity, status, cpu = record["identity"], record["status"], record["cpu"]
    for field in ("pid", "tgid", "ppid", "uid", "gid"):
        assert identity[field] == stats[f"ac-{field}"], field
    assert identity["comm"] == stats["ac-comm"][:16]
    assert status["nice"] % 256 == stats["ac-nice"]
    assert status["policy"] == stats["ac-sched"]
    assert status["exit-code"] == stats["ac-exitcode"]
    flags = set(status.get("flags", ()))
    for bit, flag in ((1, "no-exec"), (2, "super-priv"), (8, "dump-core"), (16, "signaled")):
        assert bool(stats["ac-flag"] & bit) == (flag in flags), (flag, stats["ac-flag"], flags)
    assert cpu["user-time"] // 1000 == stats["ac-utime"]
    assert cpu["system-time"] // 1000 == stats["ac-stime"]
    assert cpu["user-time"] + cpu["system-time"] == stats["cpu-run-real-total"]
    assert cpu["run-time"] == stats["cpu-run-virtual-total"]
    for kind, name in KINDS.items():
        delay = record.get(f"{kind}-delay")
        if delay is None:
            assert stats[f"{name}-count"] == stats[f"{name}-delay-total"] == 0, kind
            continue
        end = stats[f"{name}-delay-max-ts-sec"] * 10**9 + stats[f"{name}-delay-max-ts-nsec"]
        assert delay == {
            "count": stats[f"{name}-count"], "total": stats[f"{name}-delay-total"],
            "longest": stats[f"{name}-delay-max"], "shortest": stats[f"{name}-delay-min"],
            "longest-end": end}, kind
    memory, io = record["memory"], record["io"]
    assert memory["resident-integral"] // 1024 == stats["coremem"]
    assert memory["virtual-integral"] // 1024 == stats["virtmem"]
    assert memory.get("resident-max", 0) // 1024 == stats["hiwater-rss"]
    assert memory.get("virtual-max", 0) // 1024 == stats["hiwater-vm"]
    for field, value in io.items():
        assert value & ~1023 == stats[field], field
    assert record["faults"] == {"minor": stats["ac-minflt"], "major": stats["ac-majflt"]}
    assert record["switches"] == {"voluntary": stats["nvcsw"], "involuntary": stats["nivcsw"]}
    executable = record.get("executable", {"device": 0, "inode": 0})
    assert executable == {"device": stats["ac-exe-dev"], "inode": stats["ac-exe-inode"]}


def test_stopped_task():
    """Every field of a stopped task is TASKSTATS' and /proc's, asked for alone and dumped."""
    family, taskstats = connect(), connect("taskstats")
    with child(work, SOMEBODY) as pid:
        stopped(pid)
        record = family.task_get({"pid": pid})
        assert record == tasks(family)[pid]
        assert family.task_get({"pidfd": os.pidfd_open(pid)}) == record
        stats = taskstats.get({"pid": pid})["aggr-pid"]["stats"]
        compare(record, stats)

        proc = proc_io(pid)
        assert record["io"] == {
            "read-char": proc["rchar"], "write-char": proc["wchar"],
            "read-syscalls": proc["syscr"], "write-syscalls": proc["syscw"],
            "read-bytes": proc["read_bytes"], "write-bytes": proc["write_bytes"],
            "cancelled-write-bytes": proc["cancelled_write_bytes"]}
        assert record["io"]["write-char"] >= 100_000
        stat = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        assert record["faults"] == {"minor": int(stat[7]), "major": int(stat[9])}
        text = Path(f"/proc/{pid}/status").read_text("ascii")
        words = dict(re.findall(r"(\w+):\s+(\S+)", text))
        assert record["switches"] == {
            "voluntary": int(words["voluntary_ctxt_switches"]),
            "involuntary": int(words["nonvoluntary_ctxt_switches"])}
        assert record["memory"]["resident-max"] == int(words["VmHWM"]) * 1024
        assert record["memory"]["virtual-max"] == int(words["VmPeak"]) * 1024
        run, wait, count = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
        assert record["cpu"]["run-time"] == int(run)
        assert record["cpu-delay"]["total"] == int(wait)
        assert record["cpu-delay"]["count"] == int(count)
        image = os.stat(f"/proc/{pid}/exe")
        assert record["executable"]["inode"] == image.st_ino
        born = record["status"]["start-time"]
        assert record["status"]["process-start-time"] == born
        assert 0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) - born < 600 * 10**9

        # A process of one thread is that thread.
        process = family.process_get({"pid": pid})
        assert process.pop("threads") == 1
        assert process == record
        assert [one["identity"]["pid"] for one in family.dump("process-get", {})].count(pid) == 1

    # Threads of the kernel have no memory; all that are asleep are the same in both.
    kthreads = {pid: one for pid, one in tasks(family).items()
                if "kernel-thread" in one["status"]["flags"]}
    assert kthreads
    for record in kthreads.values():
        assert "executable" not in record and "resident-max" not in record["memory"]


def test_fields():
    """Groups that are not asked for are not there."""
    family = connect()
    of_group = {"identity": {"identity"}, "status": {"status"}, "cpu": {"cpu"},
                "memory": {"memory"}, "io": {"io"}, "faults": {"faults"},
                "switches": {"switches"}, "executable": {"executable"}}
    for group in GROUPS:
        record = family.task_get({"pid": os.getpid(), "fields": {group}})
        if group in of_group:
            assert set(record) == of_group[group], (group, record)
            continue
        assert all(name.endswith("-delay") for name in record) and record, record
        expected = {"count", "total"}
        if group == "delay-extremes":
            expected |= {"longest", "shortest", "longest-end"}
        assert all(set(delay) == expected for delay in record.values()), record
    assert family.task_get({"pid": os.getpid(), "fields": set()}) == {}
    info = family.info_get({})
    assert info["seam"] == ("livepatch" if livepatch() else "slot"), info
    assert set(info["fields"]) == set(GROUPS), info
    assert info["delays-on"] == int(Path("/proc/sys/kernel/task_delayacct").read_text("ascii"))
    assert 0 < info["since"] < time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def test_threads():
    """A process's record is the sum over the threads that live and have lived."""
    program = """
import threading, time, sys
def work():
    sum(range(300_000))
    with open("/dev/null", "wb") as file:
        file.write(bytes(10_000))
for _ in range(5):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
wait = threading.Event()
for _ in range(3):
    threading.Thread(target=wait.wait, daemon=True).start()
print("ready", flush=True)
time.sleep(1000)
"""
    family, taskstats = connect(), connect("taskstats")
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        pid = stopped(process.pid)
        record = family.process_get({"pid": pid})
        members = tasks(family, filter={"tgid": pid})
        assert record["threads"] == len(members) == 4
        leader = members[pid]
        assert record["identity"] == leader["identity"]
        assert record["status"] == leader["status"]
        stats = taskstats.get({"tgid": pid})["aggr-tgid"]["stats"]
        # TASKSTATS lacks what threads do from when they have left their counts until they are gone.
        cpu = record["cpu"]["user-time"] + record["cpu"]["system-time"]
        assert cpu >= stats["cpu-run-real-total"], (record, stats)
        assert record["cpu"]["run-time"] >= stats["cpu-run-virtual-total"], (record, stats)
        assert record["switches"]["voluntary"] >= stats["nvcsw"], (record, stats)
        assert record["switches"]["involuntary"] >= stats["nivcsw"], (record, stats)
        assert record["cpu-delay"]["count"] == stats["cpu-count"]
        assert record["cpu-delay"]["total"] == stats["cpu-delay-total"]
        longest = max(one["cpu-delay"]["longest"] for one in members.values()
                      if "cpu-delay" in one)
        assert record["cpu-delay"]["longest"] >= longest
        text = Path(f"/proc/{pid}/io").read_text("ascii")
        proc = {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", text)}
        assert record["io"]["write-char"] == proc["wchar"] >= 50_000
        assert record["io"]["read-syscalls"] == proc["syscr"]
        stat = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        assert record["faults"] == {"minor": int(stat[7]), "major": int(stat[9])}
        # Those that have ended have used some of it.
        for field in ("user-time", "run-time"):
            assert record["cpu"][field] > sum(one["cpu"][field] for one in members.values())
    finally:
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
    # It has hardly run since. wait4() cuts off what is less than a microsecond.
    assert record["cpu"]["run-time"] <= (usage.ru_utime + usage.ru_stime) * 1e9 + 2000, (
        record, usage)
    assert record["switches"]["voluntary"] <= usage.ru_nvcsw
    assert record["switches"]["involuntary"] <= usage.ru_nivcsw
