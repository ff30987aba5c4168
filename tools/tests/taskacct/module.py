# SPDX-License-Identifier: GPL-2.0
"""Loads and unloads the module."""

import subprocess
from pathlib import Path

from ynl_client import MODULE, forget_families


def load():
    """Loads the module; when this returns, it hears of all ends."""
    subprocess.run(["rust-taskstats", "load", MODULE], check=True)
    forget_families()


def unload():
    """Unloads the module; fails if it is in use."""
    subprocess.run(["rust-taskstats", "unload"], check=True)


def livepatch():
    """The module as a livepatch, if it is one."""
    path = Path("/sys/kernel/livepatch") / MODULE.stem
    return path if path.exists() else None


def is_loaded():
    """Whether it is."""
    return Path("/sys/module", MODULE.stem).exists()
