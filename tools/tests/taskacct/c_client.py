# SPDX-License-Identifier: GPL-2.0
"""The sample in C."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from children import child, stopped
from ynl_client import COPIES, SOURCE, connect


def test_same_answers():
    """The sample in C, with what the kernel's generator makes for it, is told the same."""
    top = Path(__file__).parents[3]
    generator = SOURCE / "tools/net/ynl/pyynl/ynl_gen_c.py"
    # The generator looks for the schema, and for the top of a kernel's tree, above the description.
    specs = COPIES / "netlink/specs"
    specs.mkdir(parents=True)
    (COPIES / "MAINTAINERS").touch()
    shutil.copy(COPIES / "taskacct.yaml", specs)
    shutil.copy(SOURCE / "Documentation/netlink/genetlink.yaml", specs.parent)
    for kind, suffix in ("--header", "h"), ("--source", "c"):
        subprocess.run([sys.executable, "-B", generator, "--mode", "user", kind, "--spec",
                        specs / "taskacct.yaml", "-o", COPIES / f"taskacct-user.{suffix}"],
                       check=True)
    program = COPIES / "taskacct_delays"
    library = SOURCE / "tools/net/ynl/lib"
    subprocess.run(
        ["gcc", "-o", program, f"-I{COPIES}", f"-I{library}", f"-I{top / 'include/uapi'}",
         top / "samples/taskacct_delays.c", COPIES / "taskacct-user.c", library / "ynl.c"],
        check=True)
    with child() as pid:
        stopped(pid)
        lines = subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout
        found = {}
        for line in lines.decode("ascii", "replace").splitlines():
            number, cpu, block, name = line.split(" ", 3)
            found[int(number)] = int(cpu), int(block), name
        assert {1, os.getpid(), pid} <= set(found), found
        record = connect().task_get({"pid": pid})
        assert found[pid] == (
            record.get("cpu-delay", {}).get("total", 0),
            record.get("block-io-delay", {}).get("total", 0),
            record["identity"]["comm"].rstrip(b"\0").decode("ascii")), (found[pid], record)
