"""The progress channel of a cluster: messages come as events of Dask, and stop requests go to the workers."""

from __future__ import annotations

import pickle
import queue
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from lrstudy.cluster.child_tasks import ChildTasks
from lrstudy.training.epoch import Epoch


class ClusterProgress:
    """A receiver of messages that requests trials to stop, like `lrstudy.study.progress_channel.ProgressChannel`.

    Messages of lost workers are discarded: their trials run elsewhere.
    """

    # Each child has an address of its own, which it puts in the place of this one.
    address = Path()

    def __init__(self, tasks: ChildTasks, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._tasks = tasks
        self._spawn = spawn
        self._received: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._task_of: dict[int, str] = {}

    def receive(self, task: str, content: bytes) -> None:
        """Take a message about a task."""
        if task in self._tasks.workers:
            self._received.put((task, content))

    def messages(self) -> Iterator[tuple[int, Epoch]]:
        """Yield the number of a trial and one of its epochs, for each epoch that arrived since the last call."""
        while not self._received.empty():
            task, content = self._received.get()
            for number, epoch in pickle.loads(content):  # noqa: S301 - from a worker of the user's cluster
                self._task_of[number] = task
                yield number, epoch

    def request_stop(self, number: int, epoch: int) -> None:
        """Request that a trial stops, with `epoch` as its last."""
        self._spawn(self._tasks.control(self._task_of[number], pickle.dumps((number, epoch))))
