"""Slots of GPUs: how many trainings may run on each at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class GpuSlots:
    """The slots of each GPU by its name; threads take one to train, and wait if all are taken."""

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._slots = dict(slots)
        self._taken: Counter[str] = Counter()
        self._changed = threading.Condition()

    @property
    def total(self) -> int:
        """The number of slots of all GPUs."""
        return sum(self._slots.values())

    def take(self, preferred: str | None = None) -> str | None:
        """Return the GPU of a slot, which is now taken; None if all slots are taken.

        It is `preferred` if that one has a free slot, else the GPU with the most free slots.
        """
        with self._changed:
            free = {gpu: count - self._taken[gpu] for gpu, count in self._slots.items()}
            chosen = preferred if preferred and free[preferred] > 0 else max(free, key=free.__getitem__)
            if free[chosen] <= 0:
                return None
            self._taken[chosen] += 1
            return chosen

    def wait(self) -> str:
        """Wait for a free slot; return its GPU."""
        with self._changed:  # a condition has a lock that its thread may take twice
            while (gpu := self.take()) is None:
                self._changed.wait()
            return gpu

    def give_back(self, gpu: str) -> None:
        """Free a slot that was taken."""
        with self._changed:
            self._taken[gpu] -= 1
            self._changed.notify()

    def shrink(self, gpu: str) -> bool:
        """Let fewer trainings share `gpu` than do now; return False if only one runs there, which keeps its slot."""
        with self._changed:
            beside = self._taken[gpu] - 1
            if beside > 0:
                self._slots[gpu] = min(self._slots[gpu], beside)
            return beside > 0

    def close(self, gpu: str) -> bool:
        """Let no training run on `gpu` any more; return False if it is the last one, which stays."""
        with self._changed:
            is_last = self.total == self._slots[gpu]
            if not is_last:
                self._slots[gpu] = 0
            return not is_last
