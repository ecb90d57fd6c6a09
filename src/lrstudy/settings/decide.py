"""The settings of a decision: a budget, the difference that does not matter, and the optimizers to choose from."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from lrstudy.formatting import join_and, setting_error
from lrstudy.optimizers import DEFAULT_OPTIMIZERS, usual_lr
from lrstudy.settings.fields import (
    DEFAULT_HIDDEN,
    MAX_EPOCHS,
    MAX_IMAGES,
    Auto,
    Finite,
    Hidden,
    OptimizerArguments,
    OptimizerName,
    split_commas,
)
from lrstudy.settings.study import StudySettings, check_momentum, choices, reject_duplicates
from lrstudy.settings.training import HIDDEN_MEANING, OPTIMIZER_ARGS_MEANING, OptimizerChoice, TrainSettings
from lrstudy.training_steps import suitable_batch_size, suitable_epochs


class DecideSettings(StudySettings):
    """The settings of a decision."""

    epochs: Auto | Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = Field(  # type: ignore[assignment]
        "auto", description="passes over the training split; auto: until the loss of a first training no longer falls"
    )
    batch_size: Auto | Annotated[int, Field(ge=1, le=MAX_IMAGES)] = Field(  # type: ignore[assignment]
        "auto", description="images per step; auto: at most 256, and so that an epoch has 10 steps"
    )
    minutes: Annotated[Finite, Field(gt=0, le=1e6)] = Field(20.0, description="time for the whole command")
    trainings: Auto | Annotated[int, Field(ge=1, le=100_000)] = Field(
        "auto", description="number of trainings at most, in place of a time"
    )
    splits: int = Field(1, ge=1, le=100, description="splits of the images to decide on, one after the other")
    optimizers: Annotated[tuple[OptimizerName, ...], BeforeValidator(split_commas)] = Field(
        DEFAULT_OPTIMIZERS, min_length=1, description="optimizers to choose from, separated by commas"
    )
    optimizer_args: OptimizerArguments = Field("none", description=OPTIMIZER_ARGS_MEANING)
    hidden: Hidden = Field(DEFAULT_HIDDEN, description=HIDDEN_MEANING)

    @model_validator(mode="after")
    def _no_contradictions(self) -> Self:
        reject_duplicates(self, "optimizers")
        check_momentum(self.momentum, self.optimizers)
        if self.epochs == "auto" and self.warmup > MAX_EPOCHS / 8:  # twice it, and that doubled twice, are epochs
            problem = f"is too long for epochs=auto; use at most {MAX_EPOCHS // 8}, or give the epochs."
            raise ValueError(setting_error("warmup", self.warmup, problem))
        if self.trainings != "auto" and self.trainings < len(self.optimizers) * self.splits:
            of_splits = f" in each of {self.splits} splits" if self.splits > 1 else ""
            optimizers = f"one for each of the optimizers, {join_and(self.optimizers)}{of_splits}"
            raise ValueError(
                setting_error("trainings", self.trainings, f"is fewer than {optimizers}; use {self._least}.")
            )
        if self.splits > 1 and self.study_file != "auto":
            raise ValueError(setting_error("study_file", self.study_file, "holds one split; use splits=1, or auto."))
        return self

    @property
    def _least(self) -> str:
        return f"trainings={len(self.optimizers) * self.splits} or more, or fewer optimizers"

    @property
    def choices(self) -> tuple[OptimizerChoice, ...]:
        """The optimizers with their settings."""
        return choices(self.optimizers, [self.momentum], [self.weight_decay], [self.optimizer_args])

    def examples(self) -> list[TrainSettings]:
        """Return a training of each optimizer, at its usual learning rate."""
        return [self.training(choice, usual_lr(choice.optimizer), self.hidden, self.seed) for choice in self.choices]

    def with_steps_for(self, images: int, epochs: int | None = None) -> DecideSettings:
        """Return the settings with a batch size and epochs that suit a number of training images.

        Args:
            images: of the training split.
            epochs: to use in place of `auto`; by default enough for the usual number of steps, and twice the warmup.
        """
        batch_size = suitable_batch_size(images) if self.batch_size == "auto" else self.batch_size
        suitable = max(suitable_epochs(images, batch_size), math.ceil(2 * self.warmup))
        chosen = (epochs or suitable) if self.epochs == "auto" else self.epochs
        return self.model_copy(update={"batch_size": batch_size, "epochs": chosen})
