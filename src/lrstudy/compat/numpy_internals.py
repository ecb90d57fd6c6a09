"""Private parts of numpy that the project uses."""

from __future__ import annotations

import mmap

import numpy as np


def release_pages(array: np.memmap) -> None:
    """Release the pages of a memory-mapped file that this process has read; the system's file cache keeps them.

    Reason: numpy has no public name for an array's memory map. Seen to work with numpy 2.4. Without it, a training on
    images larger than memory counts all pages that it has read as its own, up to the size of the file.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
