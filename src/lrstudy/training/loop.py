"""The training loop, in the order it runs. It knows neither MLflow nor Optuna: it yields one record per epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error
from lrstudy.networks import has_batch_norm
from lrstudy.training.class_metrics import ClassCounts
from lrstudy.training.data_splits import DataSplit
from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.epoch import BATCH_SUMS, Epoch
from lrstudy.training.image_results import ImageResults
from lrstudy.training.passes import EagerPasses, Passes
from lrstudy.training.recipe import PLAIN_RECIPE, Recipe
from lrstudy.training.seeding import seed_random_draws
from lrstudy.training.weight_average import WeightAverage

# Images per forward pass of an evaluation: its numbers do not depend on the setting batch_size.
EVALUATION_BATCH = 256


def train_epochs(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: DataSplit,
    validation: DataSplit,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    recipe: Recipe = PLAIN_RECIPE,
    average: WeightAverage | None = None,
    diagnosis: Diagnosis | None = None,
    passes: Passes | None = None,
    last_done: int = -1,
) -> Iterator[Epoch]:
    """Train `network` and yield epoch 0, then each epoch as it ends; end early after an epoch that diverged.

    Between two records the network is in evaluation mode and may be read, but not changed. An epoch depends only on the
    weights, the optimizer's state and its own number, so that training can resume after any epoch: `last_done` is that
    epoch, and the next one is the first that is yielded. `average` is updated after each step, and evaluated.
    `diagnosis` measures causes, without any effect on the training. `passes` are of the network; None: eager ones.

    Raises:
        SettingsError: the network normalises over the batch and the batch is a single image.
    """
    passes = passes or EagerPasses(network, recipe)
    sizes = batch_sizes(len(train), batch_size, no_single=has_batch_norm(network))
    if last_done < 0:
        recipe.set_learning_rate(optimizer, 0)
        yield _untrained(network, passes, train, validation, average, current_lr(optimizer))
    for epoch in range(max(1, last_done + 1), epochs + 1):
        started = time.perf_counter()
        order = _seed_epoch(seed, epoch, len(train))
        batches = train.at_epoch(seed, epoch).batches(torch.split(order, sizes))
        steps = enumerate(batches, (epoch - 1) * len(sizes))
        train_metrics = _train(network, passes, optimizer, steps, recipe, average, diagnosis)
        trained = time.perf_counter()
        val_metrics = evaluate(network, validation, passes=passes) | _evaluate_average(average, validation)
        train_seconds = trained - started - (diagnosis.take_seconds() if diagnosis else 0.0)
        seconds = train_seconds, time.perf_counter() - trained
        causes = diagnosis.end_epoch(network, epoch, val_metrics["loss"]) if diagnosis else {}
        record = Epoch.of_splits(epoch, train_metrics, val_metrics, seconds, current_lr(optimizer), causes)
        yield record
        if record.diverged:
            return


def evaluate(
    network: nn.Module, split: DataSplit, images: ImageResults | None = None, passes: Passes | None = None
) -> dict[str, float]:
    """Return the mean loss of `network` on `split`, and the other metrics of the table, by their names.

    The results of each image are added to `images`, if it is given. `passes` are of the network; None: eager ones.
    """
    metrics, counts = _Metrics(), ClassCounts()
    network.eval()
    with torch.inference_mode():
        for inputs, labels in split.batches(torch.split(torch.arange(len(split)), EVALUATION_BATCH)):
            logits = passes.forward(inputs) if passes else network(inputs)
            metrics.add(cross_entropy(logits, labels), logits, labels)
            counts.add(logits, labels)
            if images:
                images.add(logits, labels)
    return metrics.means() | counts.metrics()


def batch_sizes(images: int, batch_size: int, *, no_single: bool) -> list[int]:
    """Return the sizes of an epoch's batches; with `no_single`, a last single image joins the batch before it.

    Raises:
        SettingsError: with `no_single`, all batches would be single images.
    """
    sizes = [min(batch_size, images - start) for start in range(0, images, batch_size)]
    if not no_single or sizes[-1] > 1:
        return sizes
    if len(sizes) == 1 or batch_size == 1:
        problem = "is too small: the network normalises over each batch, which must have 2 images or more."
        raise SettingsError(setting_error("batch_size", batch_size, problem))
    return [*sizes[:-2], sizes[-2] + 1]


def current_lr(optimizer: torch.optim.Optimizer) -> float:
    """Return the learning rate of the optimizer's first group of weights."""
    return float(optimizer.param_groups[0]["lr"])


def _untrained(
    network: nn.Module,
    passes: Passes,
    train: DataSplit,
    validation: DataSplit,
    average: WeightAverage | None,
    lr: float,
) -> Epoch:
    started = time.perf_counter()
    train_metrics = evaluate(network, train, passes=passes)
    evaluated = time.perf_counter()
    val_metrics = evaluate(network, validation, passes=passes) | _evaluate_average(average, validation)
    return Epoch.of_splits(0, train_metrics, val_metrics, (evaluated - started, time.perf_counter() - evaluated), lr)


def _evaluate_average(average: WeightAverage | None, split: DataSplit) -> dict[str, float]:
    """Return the metrics of the averaged network by their names, which end in `_ema`; none without an average."""
    return {f"{name}_ema": value for name, value in evaluate(average.network, split).items()} if average else {}


def _train(
    network: nn.Module,
    passes: Passes,
    optimizer: torch.optim.Optimizer,
    steps: Iterable[tuple[int, tuple[Tensor, Tensor]]],
    recipe: Recipe,
    average: WeightAverage | None,
    diagnosis: Diagnosis | None,
) -> dict[str, float]:
    """Make one step per batch, given with their numbers; return the means of the metrics.

    The metrics are those before each step; the loss among them is the plain cross-entropy, whatever loss is trained.
    """
    metrics = _Metrics()
    recipe.set_training_mode(network)
    for step, (inputs, labels) in steps:
        recipe.set_learning_rate(optimizer, step)
        with diagnosis.step(network, step, inputs, labels) if diagnosis else nullcontext():
            optimizer.zero_grad()
            logits, loss = passes.backward(inputs, labels)
            recipe.clip(network.parameters())
            optimizer.step()
        if average:
            average.update(network, step)
        metrics.add(loss if recipe.loss.is_plain else cross_entropy(logits, labels), logits, labels)
    return metrics.means()


def _seed_epoch(seed: int, epoch: int, images: int) -> Tensor:
    """Return the order of an epoch's images, int64 `(images,)`; also seed random draws within the epoch (dropout).

    Each epoch has its own seed, so that its random draws depend only on `seed` and `epoch`: they are the same for every
    optimizer and learning rate, alone, beside other trainings or after a resumption.
    """
    order, global_seed = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64).tolist()
    seed_random_draws(global_seed)
    return torch.randperm(images, generator=torch.Generator().manual_seed(order))


class _Metrics:
    """Metrics of batches, kept on the device until their means are read: reading makes the CPU wait for a GPU."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.sums: dict[str, list[Tensor]] = {name: [] for name in BATCH_SUMS}
        self.sizes: list[int] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.losses.append(loss)
        for name, batch_sum in BATCH_SUMS.items():
            self.sums[name].append(batch_sum(logits, labels))
        self.sizes.append(len(labels))

    def means(self) -> dict[str, float]:
        sizes = torch.tensor(self.sizes, dtype=torch.float64)
        loss = torch.stack(self.losses).cpu().double() @ sizes / sizes.sum()
        means = {name: torch.stack(sums).sum().item() / sum(self.sizes) for name, sums in self.sums.items()}
        return {"loss": loss.item()} | means
