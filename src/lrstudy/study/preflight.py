"""The preflight: checks and measurements by a worker before a study or a training begins."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

import torch

from lrstudy.formatting import setting_error
from lrstudy.optimizers import OPTIMIZERS
from lrstudy.settings import TrainSettings
from lrstudy.study.cpu_speed import cpu_seconds
from lrstudy.study.gpu_errors import GpuError, gpu_errors
from lrstudy.study.trial import planned
from lrstudy.training import setup
from lrstudy.training.gpu_use import GpuUse, find_gpus, measure_memory, release_gpu_memory, watch_memory
from lrstudy.training.hidden_state import describe_hidden_state
from lrstudy.training.loop import EVALUATION_BATCH
from lrstudy.training.plan import TrainingPlan
from lrstudy.training.recorded_passes import EAGER_CALLS
from lrstudy.training.setup import TrainingSetup
from lrstudy.training.specification import PreflightResult
from lrstudy.user_code import errors_of_files, package_reference, user_errors

# A step of this many images is timed first; if it is slow, no whole batch is tried.
FEW_IMAGES = 16
MAX_SECONDS = 0.5
# Whole epochs are timed for this long if one takes less than `MAX_SECONDS`.
TIMED_SECONDS = 0.1
# A forward pass takes about a third of the time of a step: https://arxiv.org/abs/2001.08361, section 2.1.
FORWARD_SHARE = 1 / 3


def run_preflight(trainings: Sequence[TrainSettings], *, time_epochs: bool) -> PreflightResult:
    """Load the data and build the networks of `trainings`, to find out whether they can be trained.

    Args:
        trainings: at least one for each optimizer and each shape of network.
        time_epochs: whether to measure how long an epoch takes.

    Raises:
        DataError: the images are missing, broken, or too few.
        SettingsError: a network does not take these images, or this machine has no such device.
        UserCodeError: the user's own network or optimizer fails.
        GpuError: the GPU fails, or has too little memory for a training.
    """
    began = time.perf_counter()
    plans = [planned(settings.model_copy(update={"diagnose": False})) for settings in trainings]
    data_seconds = time.perf_counter() - began
    with gpu_errors():
        remarks = [remark for plan in plans for remark in _try_code(plan)]
        shapes = {plan.settings.hidden: plan for plan in plans}
        measured = [_measure(plan, time_epochs=time_epochs) for plan in shapes.values()]
    context = plans[0].context
    return PreflightResult(
        context=replace(
            context,
            data=replace(context.data, warnings=(*context.data.warnings, *dict.fromkeys(remarks))),
            code={name: digest for plan in plans for name, digest in plan.digests.items()},
            weights={shape: one.weights for shape, one in zip(shapes, measured, strict=True)},
        ),
        hyperparameters={plan.settings.choice: plan.hyperparameters for plan in plans},
        data_seconds=data_seconds,
        epoch_seconds=fmean(one.epoch_seconds for one in measured),
        fixed_seconds=fmean(one.build_seconds + one.other_seconds for one in measured),
        gpu_use=_gpu_use(plans[0], max(one.gpu_bytes for one in measured)) if time_epochs else None,
        cpu_seconds=cpu_seconds(plans[0]) if _may_move_to_cpu(plans[0]) else math.inf,
    )


@dataclass(frozen=True)
class _Measured:
    """The weights of a network, and the seconds and the GPU's bytes that its training takes.

    `other_seconds` are those of evaluations besides its epochs; what was not measured is 0.
    """

    weights: int
    build_seconds: float
    epoch_seconds: float = 0.0
    other_seconds: float = 0.0
    gpu_bytes: int = 0


def _measure(plan: TrainingPlan, *, time_epochs: bool) -> _Measured:
    """Build the network of a plan, and measure an epoch of it if this is asked for."""
    device = plan.runtime.device
    if device.type == "cuda":
        watch_memory(device)
    began = time.perf_counter()
    training = setup.build(plan)
    build_seconds = time.perf_counter() - began
    weights = list(training.network.parameters())
    count = sum(weight.numel() for weight in weights)
    if not time_epochs:
        return _Measured(count, build_seconds)
    epoch_seconds, other_seconds = _epoch_seconds(training)
    gpu_bytes = 0
    if device.type == "cuda":
        _use_memory(training)
        gpu_bytes = measure_memory(device, sum(weight.nbytes for weight in weights))
    return _Measured(count, build_seconds, epoch_seconds, other_seconds, gpu_bytes)


def _may_move_to_cpu(plan: TrainingPlan) -> bool:
    """Return whether a GPU was chosen, not asked for, and the CPU has the precision too."""
    settings = plan.settings
    return settings.device == "auto" and plan.runtime.device.type == "cuda" and settings.precision in ("auto", "fp32")


def _use_memory(training: TrainingSetup) -> None:
    """Make steps of a whole batch and evaluations of one, until they have been recorded if they can be."""
    for _ in range(EAGER_CALLS + 1):
        _step_seconds(training, min(training.plan.settings.batch_size, len(training.train)))
    training.network.eval()
    with torch.inference_mode():
        images, _ = training.validation.batch(torch.arange(min(EVALUATION_BATCH, len(training.validation))))
        for _ in range(EAGER_CALLS + 1):
            training.passes.forward(images)


def _gpu_use(plan: TrainingPlan, gpu_bytes: int) -> GpuUse | None:
    """Return the GPUs that the plan's device stands for, and the bytes of a training; None on a CPU."""
    if plan.runtime.device.type != "cuda":
        return None
    release_gpu_memory()
    return GpuUse(find_gpus(plan.settings.device), gpu_bytes)


def _try_code(plan: TrainingPlan) -> list[str]:
    """Train one step with a network or an optimizer of the user or of a package; return remarks on the user's own.

    Such code may fail only then.

    Raises:
        UserCodeError: it does.
    """
    settings = plan.settings
    if not (settings.code or package_reference(settings.model) or settings.optimizer not in OPTIMIZERS):
        return []
    training = setup.build(plan)
    few = torch.arange(min(FEW_IMAGES, settings.batch_size, len(training.train)))
    training.recipe.set_training_mode(training.network)
    with errors_of_files(settings.code):
        with user_errors("model", settings.model, "fails while it trains", unless=GpuError), gpu_errors():
            logits, _ = training.passes.backward(*training.train.batch(few))
        with user_errors("optimizer", settings.optimizer, "fails while it trains", unless=GpuError), gpu_errors():
            training.optimizer.step()
        return [*_describe_probabilities(settings, logits), *describe_hidden_state(plan)]


def _describe_probabilities(settings: TrainSettings, logits: torch.Tensor) -> list[str]:
    """Return a sentence if the outputs of a network, `(n, classes)`, are probabilities and not logits."""
    if not (logits.min() >= 0 and torch.allclose(logits.sum(1), torch.ones_like(logits[:, 0]), atol=1e-5)):
        return []
    problem = ": the outputs of each image sum to 1, as after a softmax; the loss takes logits, so leave it out."
    return [setting_error("model", settings.model, problem)]


def _epoch_seconds(training: TrainingSetup) -> tuple[float, float]:
    """Estimate the seconds of an epoch, and the seconds that a training takes besides, to evaluate all splits."""
    images, batch = len(training.train), min(training.plan.settings.batch_size, len(training.train))
    few = min(FEW_IMAGES, batch)
    _step_seconds(training, few)  # the first step takes longer
    per_image = _step_seconds(training, few) / few
    if per_image * batch < MAX_SECONDS:
        per_image = min(_step_seconds(training, batch) for _ in range(2)) / batch
    seconds = per_image * (images + FORWARD_SHARE * len(training.validation))
    if seconds < MAX_SECONDS:
        seconds = _whole_epoch_seconds(training)
    return seconds, per_image * FORWARD_SHARE * len(training.plan.data.labels)


def _whole_epoch_seconds(training: TrainingSetup) -> float:
    """Train for `TIMED_SECONDS`, at least an epoch; return the shortest time of an epoch."""
    ends: list[float] = []
    for _ in training.epochs():  # the first is the untrained network
        ends.append(time.perf_counter())
        if len(ends) > 1 and ends[-1] - ends[0] > TIMED_SECONDS:
            break
    return min((after - before for before, after in pairwise(ends)), default=0.0)


def _step_seconds(training: TrainingSetup, images: int) -> float:
    started = time.perf_counter()
    training.recipe.set_training_mode(training.network)
    training.optimizer.zero_grad()
    inputs, labels = training.train.batch(torch.arange(images))
    _, loss = training.passes.backward(inputs, labels)
    training.optimizer.step()
    loss.item()
    return time.perf_counter() - started
