"""The process that workers are forked from: started first of all, so that it imports while others do.

This module itself imports next to nothing.
"""

import multiprocessing
import os
from multiprocessing import forkserver
from pathlib import Path


def import_ahead() -> None:
    """Starts the process, which imports what workers need while this one imports its own."""
    source = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    multiprocessing.get_context("forkserver").set_forkserver_preload(["lrstudy.ahead"])
    forkserver.ensure_running()
