"""Recording of computations as CUDA graphs (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs)."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from lrstudy.training.recorded_passes import NotRecordableError, Results

# A graph keeps the memory of its pass: a computation is recorded only if this many times the largest amount of memory
# that was in use so far is free. Passes that take more are long for a GPU, and gain nothing.
FREE_MEMORY = 4


def record_graph(call: Callable[[], Results]) -> tuple[Results, Callable[[], None]]:
    """Record `call`; return its results, and a function that computes them again in the same memory.

    Raises:
        NotRecordableError: there is too little memory.
        RuntimeError: it cannot be recorded, as if it reads a number from the GPU.
    """
    _check_memory()
    stream = _capture_stream(torch.cuda.current_device())
    graph = torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()  # libraries set themselves up for this stream
    # Another thread, such as one that reads batches ahead, may do what is forbidden in a recording.
    with _gc_disabled(), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        results = call()
    torch.cuda.current_stream().wait_stream(stream)
    return results, graph.replay


def _check_memory() -> None:
    free, _ = torch.cuda.mem_get_info()
    room = free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    if room < FREE_MEMORY * torch.cuda.max_memory_allocated():
        raise NotRecordableError("they take too much of the GPU's memory to be recorded")


@cache
def _capture_stream(device: int) -> torch.cuda.Stream:
    """Return the stream of all recordings on a GPU: for each stream, libraries keep memory of their own."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def _gc_disabled() -> Iterator[None]:
    """Keep the garbage collector from freeing another graph during a recording."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
