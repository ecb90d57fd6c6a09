"""The process that workers are forked from: started first of all, so that it imports while others do.

This module itself imports next to nothing.
"""

import multiprocessing
import os
import signal
from multiprocessing import forkserver
from pathlib import Path


def preload() -> None:
    """Starts the process, which imports what workers need while this one imports its own."""
    source = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    multiprocessing.get_context("forkserver").set_forkserver_preload(["lrstudy.study.preloaded"])
    # Ctrl-C is for this process. The other would ignore it by itself only when it has imported all.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
