"""The GPUs that a study may use, and the memory that one of its trainings takes; importable without PyTorch."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrstudy.hardware import free_gpu_memory

if TYPE_CHECKING:
    import torch

# Trainings may share this part of a GPU's free memory: the rest is for what the allocator cannot use in small pieces.
MEMORY_SHARE = 0.8
# Libraries keep up to this much of a GPU for each process; more is of other programs.
MAX_CONTEXT_BYTES = 2**30
# The best epoch's weights, and what an optimizer keeps of each weight, may come on top of what a first step takes.
LATER_COPIES = 3


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name for torch, such as `cuda:0`, its model, and its free bytes."""

    name: str
    model: str
    free: int


@dataclass(frozen=True)
class GpuUse:
    """The GPUs of a study, at least one, and the bytes that a training takes of one."""

    gpus: tuple[Gpu, ...]
    bytes_per_training: int


def chosen_gpus(device: str, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Return the GPUs that a setting names: `cuda:1` is that one, `auto` and `cuda` are all of the first one's model.

    Rounding differs between models, and the numbers of a study must not depend on which GPU was free.
    """
    if ":" in device:
        return tuple(gpu for gpu in gpus if gpu.name == device)
    return tuple(gpu for gpu in gpus if gpu.model == gpus[0].model)


def share_gpus(use: GpuUse, workers: int | None, processes: int) -> dict[str, int]:
    """Return how many trainings run at a time on each GPU, by its name.

    Args:
        use: of the GPUs.
        workers: trainings at a time as set by the user; None: as many as the memory and the CPU allow.
        processes: the number of trainings that the CPU can serve, since each has a process that starts its steps.
    """
    fits = {gpu.name: int(MEMORY_SHARE * gpu.free / use.bytes_per_training) for gpu in use.gpus}
    # A GPU that others have filled is left alone; if all are full, the most free one may still do.
    usable = [name for name, count in fits.items() if count] or [max(use.gpus, key=lambda gpu: gpu.free).name]
    most = most_trainings(len(usable), workers, processes)
    shares = {name: most // len(usable) + (index < most % len(usable)) for index, name in enumerate(usable)}
    if workers is None:
        shares = {name: min(share, max(1, fits[name])) for name, share in shares.items()}
    return {name: share for name, share in shares.items() if share}


def most_trainings(gpus: int, workers: int | None, processes: int) -> int:
    """Return the most trainings at a time, however much memory is free; the arguments are those of `share_gpus`."""
    return max(gpus, processes) if workers is None else workers


def describe_sharing(use: GpuUse, shares: dict[str, int]) -> str:
    """Return a line on the GPUs with the trainings at a time on each, and the memory that a training takes."""
    free = {gpu.name: gpu.free for gpu in use.gpus}
    parts = [f"{share} on {name} with {free[name] / 2**30:.1f} GiB free" for name, share in shares.items()]
    return (
        f"GPU: {use.gpus[0].model}; trainings at a time: {', '.join(parts)}; "
        f"a training takes about {use.bytes_per_training / 2**30:.2f} GiB"
    )


def bytes_per_training(peak: int, context: int, weights: int) -> int:
    """Return the bytes that a training takes of a GPU.

    Args:
        peak: the bytes that tensors took in the first steps of a training.
        context: the bytes in use besides, those of other programs among them.
        weights: the bytes of the network's weights.
    """
    return peak + min(context, MAX_CONTEXT_BYTES) + LATER_COPIES * weights


def find_gpus(device: str) -> tuple[Gpu, ...]:
    """Return the GPUs that a setting names."""
    import torch

    found = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return chosen_gpus(device, [Gpu(str(gpu), torch.cuda.get_device_name(gpu), _free_bytes(gpu)) for gpu in found])


def _free_bytes(gpu: torch.device) -> int:
    """Return the free bytes of a GPU; 0 if it cannot be used, as when other programs have filled it."""
    try:
        return free_gpu_memory(gpu)
    except RuntimeError:
        return 0


def watch_memory(device: torch.device) -> None:
    """Give cached memory back, and begin to note the peak of what a GPU's tensors take."""
    import torch

    torch.cuda.init()  # type: ignore[no-untyped-call]  # without which there are no statistics to reset
    release_gpu_memory()
    torch.cuda.reset_peak_memory_stats(device)


def measure_memory(device: torch.device, weights: int) -> int:
    """Return the `bytes_per_training` of a training whose first steps were made since `watch_memory`."""
    import torch

    free, total = torch.cuda.mem_get_info(device)
    context = total - free - torch.cuda.memory_reserved(device)
    return bytes_per_training(torch.cuda.max_memory_reserved(device), context, weights)


def release_gpu_memory() -> None:
    """Give the memory of a training that has ended back to its GPU, if this process has used one."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        with suppress(RuntimeError):  # of a GPU that has failed, which the training has raised already
            torch.cuda.empty_cache()
