"""Small trainings with and without a diagnosis, for the tests of it."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrstudy.optimizers import build_optimizer
from lrstudy.training.data_splits import InMemorySplit
from lrstudy.training.diagnosis import diagnosis as diagnosis_module
from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.epoch import Epoch
from lrstudy.training.loop import train_epochs
from lrstudy.training.recipe import PLAIN_RECIPE, Recipe

IMAGES, BATCH, SIDE, CLASSES = 40, 16, 4, 3
STEPS = math.ceil(IMAGES / BATCH)


def split(images: int = IMAGES, seed: int = 1, side: int = SIDE) -> InMemorySplit:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (images,), generator=generator)
    pixels = torch.randn(images, side, side, 1, generator=generator) + labels[:, None, None, None]
    return InMemorySplit(pixels.permute(0, 3, 1, 2).contiguous(), labels, channels_last=False)


def dense(*layers: nn.Module) -> nn.Sequential:
    """Return a dense network with `layers` after its first one."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 8), *layers, nn.ReLU(), nn.Linear(8, CLASSES))


class Trained:
    """A training that has ended: its records, its network and optimizer, and the random state after each epoch."""

    def __init__(
        self,
        build: Callable[[], nn.Module],
        *,
        diagnose: bool,
        optimizer: str = "sgd",
        lr: float = 0.1,
        epochs: int = 3,
        recipe: Recipe = PLAIN_RECIPE,
        train: InMemorySplit | None = None,
    ) -> None:
        self.train = train or split()
        self.network = build()
        self.optimizer = build_optimizer(optimizer, list(self.network.parameters()), lr=lr)
        steps = math.ceil(len(self.train) / BATCH)
        sizes = {"epochs": epochs, "steps": steps, "batch_size": BATCH}
        self.diagnosis = Diagnosis(self.train, recipe, **sizes) if diagnose else None
        random.seed(0)
        np.random.seed(0)
        self.draws: list[object] = []
        self.records: list[Epoch] = []
        for record in train_epochs(
            self.network,
            self.optimizer,
            self.train,
            split(24, 2),
            epochs=epochs,
            batch_size=BATCH,
            seed=0,
            recipe=recipe,
            diagnosis=self.diagnosis,
        ):
            self.records.append(record)
            self.draws.append((torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())))

    @property
    def state(self) -> list[Tensor]:
        """All numbers of the network and of the optimizer."""
        slots = self.optimizer.state_dict()["state"]
        kept = [value for slot in slots.values() for value in slot.values() if isinstance(value, Tensor)]
        return [*self.network.state_dict().values(), *kept]

    @property
    def losses(self) -> list[tuple[float, ...]]:
        return [(record.train_loss, record.val_loss, record.train_accuracy) for record in self.records]


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure every step of every epoch."""

    def all_steps(epochs: int, steps: int, batch_size: int) -> dict[int, tuple[int, ...]]:
        return dict.fromkeys(range(1, epochs + 1), tuple(range(steps)))

    monkeypatch.setattr(diagnosis_module, "measured_steps", all_steps)


def check_no_effect(build: Callable[[], nn.Module], **options: object) -> Trained:
    """Train with and without a diagnosis, and compare all bits and random states; return the diagnosed training."""
    plain = Trained(build, diagnose=False, **options)  # type: ignore[arg-type]
    measured = Trained(build, diagnose=True, **options)  # type: ignore[arg-type]
    assert measured.losses == plain.losses or all(map(math.isnan, measured.losses[-1][:2]))
    assert measured.draws == plain.draws
    for ours, theirs in zip(measured.state, plain.state, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours.nan_to_num(7), theirs.nan_to_num(7))
    return measured
