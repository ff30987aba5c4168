# SPDX-License-Identifier: GPL-2.0
"""Control groups for the tests."""

import subprocess
from contextlib import contextmanager
from pathlib import Path


def cgroups():
    """Mounts control groups of version 2, if that has not been done."""
    path = Path("/sys/fs/cgroup/cgroup.procs")
    if not path.exists():
        subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    return path.exists()


@contextmanager
def group(*names):
    """Makes control groups, each in the one before; yields their directories, and removes them
    if nothing has failed."""
    assert cgroups(), "no control groups"
    paths = []
    for name in names:
        paths.append((paths[-1] if paths else Path("/sys/fs/cgroup")) / name)
        paths[-1].mkdir()
    yield paths
    for path in reversed(paths):
        if path.exists():
            path.rmdir()


def join(path):
    """Moves the calling process into a control group."""
    (path / "cgroup.procs").write_text("0", "ascii")
