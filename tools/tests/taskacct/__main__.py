#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Asks the family taskacct by way of YNL, the kernel's own client, and compares what it says with
TASKSTATS, with /proc and with what the tasks asked about have done.

Usage: python3 -B tools/tests/taskacct MODULE SOURCE OF THE KERNEL [--faults] [FILE[::TEST]...]

Loads the module first, unless it is, and unloads it in the end.
"""

import os
import shutil
import sys
import traceback

import access
import allocations
import c_client
import cgroup_sums
import dumps
import equality
import exits
import filters
import fuzz
import loading
import module
import policy
import refusals
import rust_client
import ynl_client

# What loads the module again comes last.
FILES = [equality, filters, refusals, policy, access, dumps, cgroup_sums, exits, c_client,
         rust_client, fuzz, loading]


def main():
    """Runs the tests, and says what became of each as Rust's libtest does."""
    wanted = sys.argv[3:]
    files = list(FILES)
    if "--faults" in wanted:
        wanted.remove("--faults")
        files.insert(-1, allocations)
        # Such a kernel takes its time: less of what there is much of, and no compiler.
        files.remove(c_client)
        less = {"DUMPS": "50", "EXITS": "300", "FORKS": "10", "MESSAGES": "1000",
                "UNHEARD": "100"}
        for name, value in less.items():
            os.environ.setdefault(name, value)
    tests = {}
    for file in files:
        for name, test in vars(file).items():
            if name.startswith("test_") and test.__module__ == file.__name__:
                tests[f"{file.__name__}::{name.removeprefix('test_')}"] = test
    unknown = [one for one in wanted if not any(f"{name}::".startswith(f"{one}::")
                                                for name in tests)]
    assert not unknown, f"no such test: {unknown}"

    if not module.is_loaded():
        module.load()
    passed, failed = 0, []
    for name, test in tests.items():
        if wanted and not any(f"{name}::".startswith(f"{one}::") for one in wanted):
            continue
        print(f"test taskacct::{name:<28} ... ", end="", flush=True)
        try:
            test()
        except Exception:  # pylint: disable=broad-exception-caught
            print("FAILED", flush=True)
            traceback.print_exc(file=sys.stdout)
            failed.append(name)
        else:
            print("ok", flush=True)
            passed += 1
    module.unload()
    shutil.rmtree(ynl_client.COPIES)
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
