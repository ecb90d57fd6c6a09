"""A start without garbage collection: imports make a million objects that stay, and no garbage to look for.

The collector would go through them again and again, which takes a sixth of the time of all imports.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Keeps the collector off, and afterwards out of what was made meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        # Also better for processes that are forked: https://docs.python.org/3/library/gc.html#gc.freeze
        gc.freeze()
        gc.enable()
