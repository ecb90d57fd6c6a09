"""The settings of a study: what each of its trainings has alike, and what it varies."""

from itertools import product
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lrstudy.formatting import format_setting, join_or
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.optimizers import DEFAULT_OPTIMIZERS, OPTIMIZERS
from lrstudy.settings.fields import (
    DEFAULT_HIDDEN,
    Auto,
    Hidden,
    LearningRate,
    OptimizerName,
    UserPath,
    known_optimizer_or_all,
    split_commas,
    split_semicolons,
)
from lrstudy.settings.training import CommonSettings, TrainSettings


class StudySettings(CommonSettings):
    """The settings that a grid and a search have alike."""

    workers: Auto | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto", description="trainings at a time; auto: as many as fit the cores, on a GPU one"
    )
    log_models: Literal["best", "all"] = Field("best", description="which trainings' pictures and MLflow models to log")
    study_file: UserPath = Field(
        "auto", description="where Optuna's study file grows; auto: it is only an artifact, at the end"
    )

    def training(self, optimizer: str, lr: float, hidden: tuple[int, ...], seed: int) -> TrainSettings:
        """The settings of one of the study's trainings. Momentum is for the optimizers that have one."""
        shared = {name: getattr(self, name) for name in CommonSettings.model_fields}
        momentum = self.momentum if OPTIMIZERS[optimizer].momentum else 0.0
        return TrainSettings(
            **shared | {"optimizer": optimizer, "lr": lr, "hidden": hidden, "seed": seed, "momentum": momentum}
        )


class GridSettings(StudySettings):
    """The settings of a grid: every optimizer with every learning rate, network shape and seed."""

    optimizers: Annotated[tuple[OptimizerName, ...], BeforeValidator(split_commas)] = Field(
        DEFAULT_OPTIMIZERS, min_length=1, description="optimizers, separated by commas"
    )
    lrs: Annotated[tuple[LearningRate, ...], BeforeValidator(split_commas)] = Field(
        (0.1, 0.01, 0.001), min_length=1, description="learning rates, separated by commas"
    )
    hidden: Annotated[tuple[Hidden, ...], BeforeValidator(split_semicolons)] = Field(
        (DEFAULT_HIDDEN,),
        min_length=1,
        description="neurons of the dense layers; several shapes are separated by semicolons",
    )
    seeds: int = Field(1, ge=1, le=1000, description="how often each training is repeated, from seed on upward")
    extend: bool = Field(False, description="go on beyond an end of the learning rates that is an optimizer's best")

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for name in ("optimizers", "lrs", "hidden"):
            values = getattr(self, name)
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(
                    f"{name}={format_setting(values)}: {format_setting(twice)} is there twice; once is enough."
                )
        if self.momentum and not any(OPTIMIZERS[name].momentum for name in self.optimizers):
            raise ValueError(
                f"momentum={format_setting(self.momentum)}: none of {format_setting(self.optimizers)} has one to set; "
                "make it 0."
            )
        if len(self.hidden) > 1 and self.model not in BUILTIN_NETWORKS:
            raise ValueError(
                f"hidden={format_setting(self.hidden)}: {self.model} has layers of its own; "
                f"give one shape, or model={join_or(list(BUILTIN_NETWORKS))}."
            )
        if self.seed + self.seeds > 2**32:
            raise ValueError(f"seeds={self.seeds}: from seed={self.seed} on there are not so many.")
        return self

    @property
    def size(self) -> str:
        """`4×3`: optimizers and learning rates, and shapes and seeds where there are several."""
        sizes = [len(self.optimizers), len(self.lrs), *(n for n in (len(self.hidden), self.seeds) if n > 1)]
        return "×".join(map(str, sizes))

    def cells(self) -> list[TrainSettings]:
        """Every training of the grid, in its order: by optimizer, then learning rate, shape and seed."""
        seeds = range(self.seed, self.seed + self.seeds)
        return [self.training(*cell) for cell in product(self.optimizers, self.lrs, self.hidden, seeds)]


class SearchSettings(StudySettings):
    """The settings of a search: learning rates drawn log-uniformly between `low` and `high`."""

    optimizer: Annotated[str, AfterValidator(known_optimizer_or_all)] = Field(
        "all", description=f"the optimizer to search for, or all: {', '.join(DEFAULT_OPTIMIZERS)}"
    )
    hidden: Hidden = Field(DEFAULT_HIDDEN, description="neurons of the dense layers of mlp and cnn, input side first")
    low: LearningRate = Field(0.00001, description="lowest learning rate")
    high: LearningRate = Field(10.0, description="highest learning rate")
    trials: int = Field(30, ge=1, le=100_000, description="trainings for each optimizer")
    sampler: Literal["tpe", "random", "qmc", "gp"] = Field(
        "tpe", description="Optuna's: tpe, random, qmc (quasi-random) or gp (Gaussian process)"
    )
    pruner: Literal["none", "median", "halving", "hyperband"] = Field(
        "none", description="Optuna's, by the validation loss: none, median, halving or hyperband"
    )

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low={format_setting(self.low)}: it must be less than high={format_setting(self.high)}.")
        if self.momentum and not any(OPTIMIZERS[name].momentum for name in self.optimizers):
            raise ValueError(f"momentum={format_setting(self.momentum)}: {self.optimizer} has none to set; make it 0.")
        return self

    @property
    def optimizers(self) -> tuple[str, ...]:
        """What is searched for, each with `trials` trainings."""
        return DEFAULT_OPTIMIZERS if self.optimizer == "all" else (self.optimizer,)

    def examples(self) -> list[TrainSettings]:
        """A training of each optimizer."""
        return [self.training(name, self.low, self.hidden, self.seed) for name in self.optimizers]
