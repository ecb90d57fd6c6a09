"""A training on disk as it goes on, so that one that was killed goes on from an epoch's end with the same bits.

`<cache>/checkpoints/<run id>.pt` is written whole or not at all, every few seconds, and goes when the run has ended. An
epoch's order of batches and all that is drawn within it come from the seed and the epoch's number: beside weights and
the optimizer's state there are no random states to keep.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path

import torch

from lrstudy import cache_paths, provenance
from lrstudy.training import setup
from lrstudy.training.epoch import Epoch
from lrstudy.training.progress import Progress, initial_progress
from lrstudy.training.setup import TrainingSetup

# Writing takes at most this share of a training's time…
MAX_SHARE = 0.01
# … and a training shorter than this needs no checkpoint.
SECONDS_BETWEEN = 2.0
# How fast a checkpoint is written, at least: what a disk of a cloud's takes.
BYTES_PER_SECOND = 100e6


def resume(training: TrainingSetup, run_id: str) -> tuple[TrainingSetup, Progress]:
    """`training` where the checkpoint of its run left it; without one of use, at its beginning.

    A checkpoint of other versions of the libraries is not used, since its bits may differ; a damaged one is told of.
    """
    path = cache_paths.checkpoint(run_id)
    try:
        return training, _restore(training, path.read_bytes()) or initial_progress(training)
    except FileNotFoundError:
        return training, initial_progress(training)
    except Exception as error:  # a damaged file fails in many ways, some of which leave the weights half changed
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"the checkpoint {path} is damaged ({reason}): starting over", file=sys.stderr, flush=True)
        rebuilt = setup.build(training.plan)
        return rebuilt, initial_progress(rebuilt)


def save_checkpoints(
    training: TrainingSetup, run_id: str, progress: Progress, epochs: Iterable[Epoch]
) -> Iterator[Epoch]:
    """Passes `epochs` on, and every few seconds writes what `progress` has of them.

    Where that fails, the training goes on without a checkpoint, and says so.
    """
    last, seconds = time.monotonic(), None
    for epoch in epochs:
        started = time.monotonic()
        passed = started - last
        if passed > SECONDS_BETWEEN and not epoch.diverged:  # from which no step leads on
            seconds = seconds or _expected_seconds(training)
            if passed > seconds / MAX_SHARE:
                try:
                    _write(training, cache_paths.checkpoint(run_id), progress)
                    last = time.monotonic()
                    seconds = last - started
                except (OSError, RuntimeError) as error:
                    print(f"no checkpoint can be written ({error}): going on without", file=sys.stderr, flush=True)
                    seconds = float("inf")
        yield epoch


def _expected_seconds(training: TrainingSetup) -> float:
    """What writing will take, before it has been done once."""
    slots = [value for state in training.optimizer.state.values() for value in state.values()]
    weights = list(training.network.state_dict().values())
    tensors = [value for value in [*weights, *weights, *slots] if isinstance(value, torch.Tensor)]
    return sum(tensor.nbytes for tensor in tensors) / BYTES_PER_SECOND


def _write(training: TrainingSetup, path: Path, progress: Progress) -> None:
    content = io.BytesIO()
    torch.save(
        {
            "network": training.network.state_dict(),
            "optimizer": training.optimizer.state_dict(),
            "best_weights": progress.best_weights,
            "best": progress.best.epoch if progress.best else 0,
            "history": [astuple(epoch) for epoch in progress.history],
            "key": training.plan.specification.key,
            "versions": provenance.versions(),
        },
        content,
    )
    path = path.resolve()  # it may have been begun by another name
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _restore(training: TrainingSetup, content: bytes) -> Progress | None:
    digest, saved_bytes = content[:32], content[32:]
    if hashlib.sha256(saved_bytes).digest() != digest:
        raise ValueError("its content has changed")
    saved = torch.load(io.BytesIO(saved_bytes), map_location=training.plan.runtime.device, weights_only=True)
    if saved["key"] != training.plan.specification.key:
        raise ValueError("it is of another training")
    if saved["versions"] != provenance.versions():
        return None
    training.network.load_state_dict(saved["network"])
    training.optimizer.load_state_dict(saved["optimizer"])
    history = [Epoch(int(epoch), *numbers) for epoch, *numbers in saved["history"]]
    return Progress(saved["best_weights"], history, history[saved["best"]])
