"""The settings of a study: those that its trainings share, and those that it varies."""

from collections.abc import Sequence
from itertools import product
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from lrstudy.answer.defaults import CONFIDENCE, DELTA
from lrstudy.formatting import format_setting, join_or, quote, setting_error
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.optimizers import DEFAULT_OPTIMIZERS, has_momentum
from lrstudy.settings.fields import (
    DEFAULT_HIDDEN,
    NO_CLUSTER,
    Auto,
    ClusterAddress,
    Confidence,
    Delta,
    Hidden,
    LearningRate,
    Momentum,
    OptimizerArguments,
    OptimizerName,
    UserPath,
    WeightDecay,
    known_optimizer_or_all,
    reject_list,
    several_arguments,
    split_commas,
    split_semicolons,
)
from lrstudy.settings.registration import RegistrationSettings
from lrstudy.settings.training import (
    HIDDEN_MEANING,
    OPTIMIZER_ARGS_MEANING,
    CommonSettings,
    OptimizerChoice,
    TrainSettings,
)


def choices(
    optimizers: Sequence[str],
    momenta: Sequence[float],
    weight_decays: Sequence[Literal["auto"] | float],
    arguments: Sequence[str],
) -> tuple[OptimizerChoice, ...]:
    """Return every optimizer with each of its settings, in order, each choice once."""
    every = (
        OptimizerChoice(name, momentum if has_momentum(name) else 0.0, weight_decay, further)
        for name, momentum, weight_decay, further in product(optimizers, momenta, weight_decays, arguments)
    )
    return tuple(dict.fromkeys(every))


class StudySettings(RegistrationSettings, CommonSettings):
    """The settings that a grid shares with a search."""

    workers: Auto | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto",
        description="parallel trainings; auto: as many as the cores, the memory of the GPUs or the cluster allow",
    )
    cluster: ClusterAddress = Field(
        NO_CLUSTER, description="address of a Dask scheduler whose workers train, or local:N to start N workers here"
    )
    checkpoints: UserPath = Field(
        "auto",
        description="folder of checkpoints, which the machines of a cluster share; auto: the user's cache folder",
    )
    log_models: Literal["best", "all"] = Field("best", description="trainings whose pictures and models are logged")
    study_file: UserPath = Field("auto", description="path of Optuna's study file; auto: only an artifact, at the end")
    delta: Delta = DELTA
    confidence: Confidence = CONFIDENCE

    def training(self, choice: OptimizerChoice, lr: float, hidden: tuple[int, ...], seed: int) -> TrainSettings:
        """Return the settings of one of the study's trainings."""
        shared = {name: getattr(self, name) for name in CommonSettings.model_fields}
        if self.diagnose == "auto":
            shared["diagnose"] = seed == self.seed
        return TrainSettings(**shared | choice._asdict() | {"lr": lr, "hidden": hidden, "seed": seed})


class GridSettings(StudySettings):
    """The settings of a grid: every optimizer with every learning rate, network shape and seed."""

    optimizers: Annotated[tuple[OptimizerName, ...], BeforeValidator(split_commas)] = Field(
        DEFAULT_OPTIMIZERS, min_length=1, description="optimizers, separated by commas"
    )
    momentum: Annotated[tuple[Momentum, ...], BeforeValidator(split_commas)] = Field(  # type: ignore[assignment]
        (0.0,), min_length=1, description="momentum of sgd and rmsprop; several are separated by commas"
    )
    weight_decay: Annotated[tuple[WeightDecay, ...], BeforeValidator(split_commas)] = Field(  # type: ignore[assignment]
        ("auto",), min_length=1, description="auto: torch's default; several are separated by commas"
    )
    optimizer_args: Annotated[str, AfterValidator(several_arguments)] = Field(
        "none", description=f"{OPTIMIZER_ARGS_MEANING}; several are separated by |"
    )
    lrs: Annotated[tuple[LearningRate, ...], BeforeValidator(split_commas)] = Field(
        (0.1, 0.01, 0.001), min_length=1, description="learning rates, separated by commas"
    )
    hidden: Annotated[tuple[Hidden, ...], BeforeValidator(split_semicolons)] = Field(
        (DEFAULT_HIDDEN,),
        min_length=1,
        description="neurons of the dense layers; several shapes are separated by semicolons",
    )
    seeds: int = Field(1, ge=1, le=1000, description="repetitions of each training, with seed, seed + 1, …")
    extend: bool = Field(
        False, description="add learning rates until each best one has a worse one on either side, half a decade away"
    )

    @model_validator(mode="after")
    def _no_duplicates(self) -> Self:
        reject_duplicates(self, "optimizers", "momentum", "weight_decay", "lrs", "hidden")
        return self

    @model_validator(mode="after")
    def _no_contradictions(self) -> Self:
        for momentum in self.momentum:
            check_momentum(momentum, self.optimizers)
        if len(self.hidden) > 1 and self.model not in BUILTIN_NETWORKS:
            models = join_or([quote(name) for name in BUILTIN_NETWORKS])
            problem = f"has several shapes, but {self.model} has layers of its own; give one shape, or model={models}."
            raise ValueError(setting_error("hidden", self.hidden, problem))
        if self.seed + self.seeds > 2**32:
            problem = f"is more than there are from seed={self.seed} on; the last seed is {2**32 - 1}."
            raise ValueError(setting_error("seeds", self.seeds, problem))
        return self

    @property
    def size(self) -> str:
        """The numbers of optimizers and learning rates, and of shapes and seeds if there are several: `4×3`."""
        sizes = [len(self.choices), len(self.lrs), *(n for n in (len(self.hidden), self.seeds) if n > 1)]
        return "×".join(map(str, sizes))

    def cells(self) -> list[TrainSettings]:
        """Return every training of the grid, ordered by optimizer, then learning rate, shape and seed."""
        seeds = range(self.seed, self.seed + self.seeds)
        return [self.training(*cell) for cell in product(self.choices, self.lrs, self.hidden, seeds)]

    @property
    def choices(self) -> tuple[OptimizerChoice, ...]:
        """The optimizers, each with every momentum, weight decay and list of further arguments."""
        return choices(self.optimizers, self.momentum, self.weight_decay, self.optimizer_args.split("|"))


_ONE_OR_ALL = reject_list(
    lambda names: f"a search takes one or all, and a grid several, as optimizers={','.join(names)}"
)


class SearchSettings(StudySettings):
    """The settings of a search: learning rates drawn log-uniformly between `low` and `high`."""

    optimizer: Annotated[str, AfterValidator(known_optimizer_or_all), _ONE_OR_ALL] = Field(
        "all", description=f"the optimizer to search for, or all: {', '.join(DEFAULT_OPTIMIZERS)}"
    )
    optimizer_args: OptimizerArguments = Field("none", description=OPTIMIZER_ARGS_MEANING)
    hidden: Hidden = Field(DEFAULT_HIDDEN, description=HIDDEN_MEANING)
    low: LearningRate = Field(0.00001, description="lowest learning rate")
    high: LearningRate = Field(10.0, description="highest learning rate")
    trials: int = Field(30, ge=1, le=100_000, description="trainings per optimizer")
    sampler: Literal["tpe", "random", "qmc", "gp"] = Field(
        "tpe", description="Optuna's: tpe, random, qmc (quasi-random) or gp (Gaussian process)"
    )
    pruner: Literal["none", "median", "halving", "hyperband"] = Field(
        "none", description="Optuna's, by the validation loss: none, median, halving or hyperband"
    )

    @model_validator(mode="after")
    def _no_contradictions(self) -> Self:
        if self.low >= self.high:
            problem = f"must be less than high={quote(format_setting(self.high))}."
            raise ValueError(setting_error("low", self.low, problem))
        check_momentum(self.momentum, self.optimizers)
        return self

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The optimizers to search for, each with `trials` trainings."""
        return DEFAULT_OPTIMIZERS if self.optimizer == "all" else (self.optimizer,)

    @property
    def choices(self) -> tuple[OptimizerChoice, ...]:
        """The optimizers with their settings."""
        return choices(self.optimizers, [self.momentum], [self.weight_decay], [self.optimizer_args])

    def examples(self) -> list[TrainSettings]:
        """Return a training of each optimizer."""
        return [self.training(choice, self.low, self.hidden, self.seed) for choice in self.choices]


def reject_duplicates(settings: BaseModel, *names: str) -> None:
    """Raise ValueError if a list among the settings has a value twice."""
    for name in names:
        values = getattr(settings, name)
        duplicate = next((value for value in values if values.count(value) > 1), None)
        if duplicate is not None:
            problem = f"has a duplicate value, {quote(format_setting(duplicate))}."
            raise ValueError(setting_error(name, values, problem))


def check_momentum(momentum: float, optimizers: tuple[str, ...]) -> None:
    """Raise ValueError if none of the optimizers takes the momentum."""
    if momentum and not any(has_momentum(name) for name in optimizers):
        problem = f"has no effect on {join_or(optimizers)}; use momentum=0."
        raise ValueError(setting_error("momentum", momentum, problem))
