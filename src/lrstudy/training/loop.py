"""The training loop, in the order it runs. It knows neither MLflow nor Optuna: it yields one record an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lrstudy.errors import SettingsError
from lrstudy.networks import has_batch_norm
from lrstudy.training.data_splits import DataSplit
from lrstudy.training.epoch import Epoch

# Images in one forward pass of an evaluation, whose numbers so do not depend on the setting batch_size.
EVALUATION_BATCH = 256


def fit(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: DataSplit,
    validation: DataSplit,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    last_done: int = -1,
) -> Iterator[Epoch]:
    """Trains `network` and yields epoch 0, then each epoch as it ends; ends early after one that diverged.

    Between two records the network is in evaluation mode and may be read, not changed. An epoch depends on nothing but
    the weights, the optimizer's state and its own number, so that a training may go on from any epoch's end: then
    `last_done` is that epoch, and the next one is the first that is yielded.

    Raises:
        SettingsError: the network normalises over the batch and the batch is a single image.
    """
    sizes = batch_sizes(len(train), batch_size, whole=has_batch_norm(network))
    if last_done < 0:
        yield _untrained(network, train, validation)
    for epoch in range(max(1, last_done + 1), epochs + 1):
        started = time.perf_counter()
        order = _seed_epoch(seed, epoch, len(train))
        train_loss, train_accuracy = _train(network, optimizer, train, torch.split(order, sizes))
        trained = time.perf_counter()
        val_loss, val_accuracy = evaluate(network, validation)
        ended = time.perf_counter()
        record = Epoch(epoch, train_loss, train_accuracy, val_loss, val_accuracy, trained - started, ended - trained)
        yield record
        if record.diverged:
            return


def evaluate(network: nn.Module, part: DataSplit) -> tuple[float, float]:
    """The mean loss and the accuracy of `network` on `part`."""
    sums = _Sums()
    network.eval()
    with torch.inference_mode():
        for rows in torch.split(torch.arange(len(part)), EVALUATION_BATCH):
            inputs, labels = part.batch(rows)
            logits = network(inputs)
            sums.add(cross_entropy(logits, labels), logits, labels)
    return sums.means()


def predict(network: nn.Module, part: DataSplit) -> np.ndarray:
    """The class that `network` gives each image of `part`: int64 `(n,)`."""
    network.eval()
    with torch.inference_mode():
        rows = torch.split(torch.arange(len(part)), EVALUATION_BATCH)
        return np.concatenate([network(part.batch(some)[0]).argmax(1).cpu().numpy() for some in rows])


def batch_sizes(images: int, batch_size: int, *, whole: bool) -> list[int]:
    """The sizes of an epoch's batches. With `whole`, a last one of a single image joins the one before.

    Raises:
        SettingsError: with `whole`, where all batches would be of a single image.
    """
    sizes = [min(batch_size, images - start) for start in range(0, images, batch_size)]
    if not whole or sizes[-1] > 1:
        return sizes
    if len(sizes) == 1 or batch_size == 1:
        raise SettingsError(
            f"batch_size={batch_size}: the network normalises over each batch, which so must be of 2 images or more."
        )
    return [*sizes[:-2], sizes[-2] + 1]


def _untrained(network: nn.Module, train: DataSplit, validation: DataSplit) -> Epoch:
    started = time.perf_counter()
    train_loss, train_accuracy = evaluate(network, train)
    trained = time.perf_counter()
    val_loss, val_accuracy = evaluate(network, validation)
    ended = time.perf_counter()
    return Epoch(0, train_loss, train_accuracy, val_loss, val_accuracy, trained - started, ended - trained)


def _train(
    network: nn.Module, optimizer: torch.optim.Optimizer, part: DataSplit, batches: tuple[Tensor, ...]
) -> tuple[float, float]:
    """One pass over `batches` of rows of `part`; the mean loss and the accuracy on the way."""
    sums = _Sums()
    network.train()
    for rows in batches:
        inputs, labels = part.batch(rows)
        optimizer.zero_grad()
        logits = network(inputs)
        loss = cross_entropy(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sums.add(loss.detach(), logits.detach(), labels)
    return sums.means()


def _seed_epoch(seed: int, epoch: int, images: int) -> Tensor:
    """The order of an epoch's images, int64 `(images,)`; seeds what is drawn within the epoch (dropout) too.

    Each epoch has its own seed, so that what one draws depends on nothing but `seed` and `epoch`: it is the same for
    every optimizer and learning rate, alone, beside others or after a resumption.
    """
    order, drawn = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64).tolist()
    torch.manual_seed(drawn)
    return torch.randperm(images, generator=torch.Generator().manual_seed(order))


class _Sums:
    """Sums over batches, kept on the device until they are asked for: asking makes a GPU wait."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.correct: list[Tensor] = []
        self.sizes: list[int] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.losses.append(loss)
        self.correct.append((logits.argmax(1) == labels).sum())
        self.sizes.append(len(labels))

    def means(self) -> tuple[float, float]:
        sizes = torch.tensor(self.sizes, dtype=torch.float64)
        loss = torch.stack(self.losses).cpu().double() @ sizes / sizes.sum()
        return loss.item(), torch.stack(self.correct).sum().item() / sum(self.sizes)
