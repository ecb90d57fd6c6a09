"""Comparisons of the runs that a test has logged."""

from collections.abc import Sequence
from typing import Any

from known_runs import log_training
from lrstudy.report.cells import Cell, Group
from lrstudy.report.comparison import Comparison
from lrstudy.report.grouping import group_runs
from lrstudy.report.load_runs import load_runs


def groups(experiment: str) -> list[Group]:
    return group_runs(load_runs(experiment=experiment))[0]


def compared(experiment: str) -> Comparison:
    (one,) = groups(experiment)
    return Comparison(one)


def cell(comparison: Comparison, optimizer: str, lr: float) -> Cell:
    (one,) = [cell for cell in comparison.group.of(optimizer) if cell.lr == lr]
    return one


def log_losses(experiment: str, losses: Sequence[float], **settings: Any) -> None:
    """Log a training per loss, with seeds from 0: at that validation loss from epoch 1 on."""
    for seed, loss in enumerate(losses):
        curves = {"val_loss": [2.3, loss, loss], "train_loss": [2.3, loss, loss], "val_accuracy": [0.1, 0.9, 0.9]}
        log_training(experiment, curves, seed=seed, **settings)
