"""The settings of a study: what each of its trainings has alike, and what it varies."""

from itertools import product
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lrstudy.optimizers import OPTIMIZERS
from lrstudy.settings import (
    HIDDEN,
    Auto,
    CommonSettings,
    Hidden,
    OptimizerName,
    Rate,
    TrainSettings,
    split_commas,
    typed,
)


def _split_semicolons(value: object) -> object:
    return value.split(";") if isinstance(value, str) else value


class StudySettings(CommonSettings):
    """The settings that a grid and a search have alike."""

    workers: Auto | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto", description="trainings at a time; auto: as many as fit the cores, on a GPU one"
    )
    models: Literal["best", "all"] = Field("best", description="which trainings' pictures and MLflow models to log")

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
        ("sgd", "rmsprop", "adagrad", "adam"), min_length=1, description="optimizers, separated by commas"
    )
    lrs: Annotated[tuple[Rate, ...], BeforeValidator(split_commas)] = Field(
        (0.1, 0.01, 0.001), min_length=1, description="learning rates, separated by commas"
    )
    hidden: Annotated[tuple[Hidden, ...], BeforeValidator(_split_semicolons)] = Field(
        (HIDDEN,), min_length=1, description="neurons of the dense layers; several shapes are separated by semicolons"
    )
    seeds: int = Field(1, ge=1, le=1000, description="how often each training is repeated, from seed on upward")

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for name in ("optimizers", "lrs", "hidden"):
            values = getattr(self, name)
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"{name}={typed(values)}: {typed(twice)} is there twice; once is enough.")
        return self

    def cells(self) -> list[TrainSettings]:
        """Every training of the grid, in its order: by optimizer, then learning rate, shape and seed."""
        seeds = range(self.seed, self.seed + self.seeds)
        return [self.training(*cell) for cell in product(self.optimizers, self.lrs, self.hidden, seeds)]
