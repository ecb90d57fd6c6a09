"""Reading of batches while the last one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Content = TypeVar("Content")


def read_ahead(read: Callable[[Item], Content], items: Iterable[Item]) -> Iterator[Content]:
    """Yield `read(item)` of each item; a thread reads the next one while the caller uses the last one."""
    with ThreadPoolExecutor(1) as reader:
        reading: deque[Future[Content]] = deque()
        for item in items:
            reading.append(reader.submit(read, item))
            if len(reading) > 1:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()
