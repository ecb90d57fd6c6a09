"""Errors of GPUs, as workers report them to the pool that shares the GPUs out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

from lrstudy.redaction import first_line
from lrstudy.study.retried_task import WorkerLost

# Parts of the messages of CUDA and its libraries.
OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "HOST_ALLOCATION")
GPU_FAILED = ("CUDA", "CUBLAS", "cuDNN", "CUDNN")


class GpuError(RuntimeError):
    """A GPU failed, and this process may not be able to use it any more."""


class GpuMemoryError(GpuError):
    """A GPU has too little memory for a training."""


class GpuFailedError(BrokenExecutor):
    """A worker was ended because its GPU failed."""


class CrowdedGpuError(WorkerLost):
    """A GPU has too little memory for a training beside others."""


@contextmanager
def gpu_errors() -> Iterator[None]:
    """Raise the block's errors of a GPU as a GpuError, which can be read without PyTorch."""
    try:
        yield
    except RuntimeError as error:  # so are torch.OutOfMemoryError and torch.AcceleratorError
        text = str(error)
        if any(part in text for part in GPU_FAILED):
            kind = GpuMemoryError if any(part in text for part in OUT_OF_MEMORY) else GpuError
            raise kind(first_line(error)) from None
        raise
