"""The fork server: the process that workers are forked from, which imports PyTorch while the driver imports MLflow.

This module itself imports next to nothing.
"""

import multiprocessing
import signal
from multiprocessing import forkserver
from pathlib import Path

from lrstudy.compat.import_path import exclude_current_folder_in_children


def preload(module: str = "lrstudy.study.preloaded") -> None:
    """Start the fork server, which imports `module` in the background."""
    exclude_current_folder_in_children(str(Path(__file__).parents[2]))
    multiprocessing.get_context("forkserver").set_forkserver_preload([module])
    # Ctrl-C is for this process only. The fork server would ignore it by itself only after its imports.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
