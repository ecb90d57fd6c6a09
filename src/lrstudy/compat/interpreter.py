"""Imports without garbage collection."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector, and exclude the objects created meanwhile from later collections.

    Imports create a million objects that stay. Without this, the collector scans them again and again: the imports of
    a driver take 2.4 s instead of 2.1 s, as do those of the fork server and of the exporter, and the end of the
    process scans them once more. Seen to work with CPython 3.11.

    Triton's bindings, which torchvision imports, print forty lines about objects that are not collected before the
    process ends: if they are loaded, the objects are collected at the end after all. Seen with triton 3.8.
    """
    gc.disable()
    try:
        yield
    finally:
        # It also keeps the memory of forked processes shared: https://docs.python.org/3/library/gc.html#gc.freeze
        gc.freeze()
        gc.enable()
        if "triton" in sys.modules:
            atexit.register(gc.unfreeze)
