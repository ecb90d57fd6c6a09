"""Checkpoints: an interrupted training resumes after its last saved epoch with the same bits.

`<cache>/checkpoints/<run id>.pt`, or that in the folder that a study names, is written atomically, every few seconds,
and removed when the run has ended. The order of an epoch's batches and all its random draws come from the seed and the
epoch's number: beside the weights and the optimizer's state there are no random states to save.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple
from typing import Any

import torch

from lrstudy import cache_paths, hardware, provenance
from lrstudy.training import setup
from lrstudy.training.epoch import Epoch
from lrstudy.training.progress import Progress, initial_progress
from lrstudy.training.setup import TrainingSetup

# Writing takes at most this share of a training's time…
MAX_SHARE = 0.01
# … and a training shorter than this needs no checkpoint.
SECONDS_BETWEEN = 2.0
# The slowest speed at which a checkpoint is written: that of a cloud's disk.
BYTES_PER_SECOND = 100e6


def resume(training: TrainingSetup, run_id: str) -> tuple[TrainingSetup, Progress]:
    """Return `training` and its progress as in the checkpoint of its run; without a usable one, at its beginning.

    A checkpoint of other versions of the libraries, or of another kind of processor, is not used, since its bits may
    differ; a damaged one is reported.
    """
    path = cache_paths.checkpoint(run_id)
    try:
        return training, _restore(training, path.read_bytes()) or initial_progress(training)
    except FileNotFoundError:
        return training, initial_progress(training)
    except Exception as error:  # a damaged file fails in many ways, some after changing part of the weights
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"the checkpoint {path} is damaged ({reason}): training starts over", file=sys.stderr, flush=True)
        rebuilt = setup.build(training.plan)
        return rebuilt, initial_progress(rebuilt)


def last_epoch(training: TrainingSetup, run_id: str) -> int:
    """Return the last epoch in the checkpoint of a run; -1 if `resume` would not use it."""
    try:
        saved = _read(training, cache_paths.checkpoint(run_id).read_bytes())
    except Exception:  # a damaged file fails in many ways; `resume` reports it
        return -1
    return len(saved["history"]) - 1 if saved else -1


def save_checkpoints(
    training: TrainingSetup, run_id: str, progress: Progress, epochs: Iterable[Epoch]
) -> Iterator[Epoch]:
    """Yield `epochs`, and write `progress` to disk every few seconds.

    If writing fails, print a warning; training continues without checkpoints.
    """
    last, seconds = time.monotonic(), None
    for epoch in epochs:
        started = time.monotonic()
        passed = started - last
        if passed > SECONDS_BETWEEN and not epoch.diverged:  # from which training cannot recover
            seconds = seconds or _expected_seconds(training)
            if passed > seconds / MAX_SHARE:
                try:
                    write(training, run_id, progress)
                    last = time.monotonic()
                    seconds = last - started
                except (OSError, RuntimeError) as error:
                    print(
                        f"no checkpoint can be written ({error}): training continues without",
                        file=sys.stderr,
                        flush=True,
                    )
                    seconds = float("inf")
        yield epoch


def _expected_seconds(training: TrainingSetup) -> float:
    """Return how long writing will take, estimated before the first time."""
    slots = [value for state in training.optimizer.state.values() for value in state.values()]
    weights = list(training.network.state_dict().values())
    tensors = [value for value in [*weights, *weights, *slots] if isinstance(value, torch.Tensor)]
    return sum(tensor.nbytes for tensor in tensors) / BYTES_PER_SECOND


def state(training: TrainingSetup, progress: Progress) -> bytes:
    """Return the state of a training after its last epoch so far, as a file that `from_state` reads."""
    content = io.BytesIO()
    torch.save(
        {
            "network": training.network.state_dict(),
            "optimizer": training.optimizer.state_dict(),
            "best_weights": progress.best_weights,
            "best": progress.best.epoch if progress.best else 0,
            "average": training.average.network.state_dict() if training.average else {},
            "average_weights": progress.average_weights,
            "best_average": progress.best_average.epoch if progress.best_average else 0,
            "history": [astuple(epoch) for epoch in progress.history],
            "why": training.diagnosis.state if training.diagnosis else {},
            "key": training.plan.specification.key,
            "versions": provenance.versions(),
            "processor": hardware.processor(training.plan.runtime.device),
        },
        content,
    )
    return content.getvalue()


def write(training: TrainingSetup, run_id: str, progress: Progress) -> None:
    """Write the checkpoint of a run, as a whole or not at all."""
    content = state(training, progress)
    path = cache_paths.checkpoint(run_id)
    path = path.resolve()  # another name of the run may link to it
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{uuid.uuid4().hex}")  # a worker that was cut off may write another one
    try:
        with unfinished.open("wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(training: TrainingSetup, content: bytes) -> dict[str, Any] | None:
    """Return a checkpoint's values; None if it was written with other versions of the libraries or another processor.

    Raises:
        ValueError: the content is damaged or belongs to another training.
    """
    digest, saved_bytes = content[:32], content[32:]
    if hashlib.sha256(saved_bytes).digest() != digest:
        raise ValueError("its content has changed")
    saved = _load(training, saved_bytes)
    if saved["key"] != training.plan.specification.key:
        raise ValueError("it belongs to another training")
    processor = hardware.processor(training.plan.runtime.device)
    same_bits = saved["versions"] == provenance.versions() and saved.get("processor", processor) == processor
    return saved if same_bits else None


def _load(training: TrainingSetup, content: bytes) -> dict[str, Any]:
    device = training.plan.runtime.device
    saved: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return saved


def _restore(training: TrainingSetup, content: bytes) -> Progress | None:
    saved = _read(training, content)
    return None if saved is None else _restored(training, saved)


def from_state(training: TrainingSetup, content: bytes) -> Progress:
    """Bring `training` into a state that another training with the same network was in; return its progress.

    Raises:
        Exception: the content is damaged or does not fit, which fails in many ways.
    """
    return _restored(training, _load(training, content))


def _restored(training: TrainingSetup, saved: Mapping[str, Any]) -> Progress:
    training.network.load_state_dict(saved["network"])
    training.optimizer.load_state_dict(saved["optimizer"])
    history = [Epoch(int(epoch), *numbers) for epoch, *numbers in saved["history"]]
    best_average = None
    if training.average:
        training.average.network.load_state_dict(saved["average"])
        best_average = history[saved["best_average"]]
    if training.diagnosis:
        training.diagnosis.restore(saved.get("why", {}), [epoch.val_loss for epoch in history])
    return Progress(
        saved["best_weights"], saved.get("average_weights", {}), history, history[saved["best"]], best_average
    )
