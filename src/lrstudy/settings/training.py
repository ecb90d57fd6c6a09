"""Every setting of a training, declared once: name, type, default, bounds, meaning.

The command line, the parameters on the tracking server and `MLproject` are derived from these fields.
"""

from math import log10
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lrstudy.formatting import format_setting, join_and, join_or, quote, setting_error
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.optimizers import OPTIMIZERS, has_momentum
from lrstudy.pretrained import weights_problem
from lrstudy.schedules import SCHEDULES
from lrstudy.settings.fields import (
    DEFAULT_HIDDEN,
    MAX_CHARACTERS,
    MAX_EPOCHS,
    MAX_IMAGES,
    Auto,
    Hidden,
    LearningRate,
    Momentum,
    NotBlank,
    OptimizerArguments,
    OptimizerName,
    UserPath,
    WeightDecay,
    known_device,
    known_model,
    regular_expression,
    reject_list,
)
from lrstudy.settings.recipe import RecipeSettings
from lrstudy.settings.registration import RegistrationSettings
from lrstudy.user_code import FileReference, file_reference

BUILTIN_NAMES = join_and(list(BUILTIN_NETWORKS))
OPTIMIZER_MEANING = f"{', '.join(OPTIMIZERS)}, path/to/file.py:Class, or package:Class"
OPTIMIZER_ARGS_MEANING = "further arguments of the optimizer's class, as in betas=0.9,0.95;eps=1e-6"
HIDDEN_MEANING = f"neurons of the dense layers of {BUILTIN_NAMES}, input side first"

NO_RUN = "none"
# The settings that the images, labels and splits depend on.
DATA_SETTINGS = (
    *("data", "data_root", "image_size", "fit", "bad_images", "layout", "duplicates", "groups", "split_seed"),
)


def _one_of(grid_setting: str) -> BeforeValidator:
    """Return a validator that rejects a list and names the setting of a grid that takes it."""
    return reject_list(lambda values: f"a training takes one, and a grid several, as {grid_setting}={','.join(values)}")


class BasicSettings(BaseModel):
    """The settings of data, network, length, seed and machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: NotBlank = Field("digits", description="digits, mnist, fashion-mnist, cifar10, or a folder of class folders")
    data_root: UserPath = Field("auto", description="folder of torchvision's data sets; auto: the user's cache folder")
    image_size: int = Field(0, ge=0, le=1024, description="side in pixels; 0: the source's own (a folder: 64)")
    fit: Literal["pad", "crop"] = Field("pad", description="pad letterboxes, crop fills; both keep the aspect ratio")
    bad_images: Literal["error", "skip"] = Field("error", description="broken images: stop, or skip them")
    layout: Literal["auto", "classes", "splits"] = Field(
        "auto", description="role of the subfolders of data; auto: splits if they are called train, test, …"
    )
    duplicates: Literal["warn", "drop"] = Field(
        "warn", description="images with a copy in another split or class: warn, or drop those of training"
    )
    groups: Annotated[NotBlank, AfterValidator(regular_expression)] = Field(
        "none", description="regular expression; files whose names have the same match are in one split"
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="seed of the split into training, validation and test")
    model: Annotated[str, AfterValidator(known_model)] = Field(
        "mlp",
        description=f"{', '.join(BUILTIN_NETWORKS)}, torchvision's classifiers, timm:NAME, or path/to/file.py:function",
    )
    momentum: Momentum = Field(0.0, description="momentum of sgd and rmsprop")
    weight_decay: WeightDecay = Field("auto", description="auto: torch's default")
    epochs: int = Field(50, ge=1, le=MAX_EPOCHS, description="passes over the training split")
    batch_size: int = Field(256, ge=1, le=MAX_IMAGES, description="images per step")
    seed: Annotated[int, reject_list(lambda values: f"a grid takes their number, as seeds={len(values)}")] = Field(
        0, ge=0, lt=2**32, description="initial weights and order of batches"
    )
    device: Annotated[str, AfterValidator(known_device)] = Field(
        "auto", description="cpu, cuda (a study uses all of them), cuda:N or mps"
    )
    threads: Auto | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto",
        description=f"CPU threads; auto: 1 for {BUILTIN_NAMES}, every core for torchvision's networks",
    )
    keep: Literal["best", "last"] = Field(
        "best", description="what a training keeps to be continued from: its best weights, or also its last state"
    )


class CommonSettings(RecipeSettings, BasicSettings):
    """The settings that a single training shares with all trainings of a study."""

    diagnose: Auto | bool = Field(
        "auto", description="measure the causes of the verdict; auto: in a study, of the first seed of each cell"
    )

    @model_validator(mode="after")
    def _recipe_has_no_contradictions(self) -> Self:
        # A decision chooses its epochs later, and each of its trainings is checked then.
        if self.warmup and str(self.epochs) != "auto" and self.warmup >= self.epochs:
            problem = f"must be less than epochs={quote(format_setting(self.epochs))}."
            raise ValueError(setting_error("warmup", self.warmup, problem))
        if self.warmup and SCHEDULES[self.schedule].warms_up:
            problem = f"has no effect, since {self.schedule} has a warmup of its own; use warmup=0."
            raise ValueError(setting_error("warmup", self.warmup, problem))
        if self.patience and self.schedule == "one_cycle":
            problem = "would cut the cycle of schedule='one_cycle' short; use patience=0, or another schedule."
            raise ValueError(setting_error("patience", self.patience, problem))
        return self

    @model_validator(mode="after")
    def _weights_are_known(self) -> Self:
        if problem := weights_problem(self.weights, self.model):
            raise ValueError(setting_error("weights", self.weights, problem))
        return self

    @model_validator(mode="after")
    def _fits_the_server(self) -> Self:
        for name, value in self:
            if (length := len(format_setting(value))) > MAX_CHARACTERS:
                raise ValueError(f"{name} has {length:,} characters; MLflow accepts at most {MAX_CHARACTERS:,}.")
        return self


class OptimizerChoice(NamedTuple):
    """An optimizer with those of its settings that a study can vary; `momentum` is 0 if it takes none."""

    optimizer: str
    momentum: float
    weight_decay: Literal["auto"] | float
    optimizer_args: str

    @property
    def label(self) -> str:
        """The optimizer's name, with those of its settings that are not at their defaults: `sgd momentum=0.9`."""
        reference = file_reference("optimizer", self.optimizer)
        parts = [reference.label if reference else self.optimizer]
        parts += [f"momentum={format_setting(self.momentum)}"] * bool(self.momentum)
        parts += [f"weight_decay={format_setting(self.weight_decay)}"] * (self.weight_decay != "auto")
        parts += self.optimizer_args.split(";") * (self.optimizer_args != "none")
        return " ".join(parts)


class TrainSettings(RegistrationSettings, CommonSettings):
    """The settings of one training."""

    hidden: Hidden = Field(DEFAULT_HIDDEN, description=HIDDEN_MEANING)
    optimizer: Annotated[OptimizerName, _one_of("optimizers")] = Field("adam", description=OPTIMIZER_MEANING)
    lr: Annotated[LearningRate, _one_of("lrs")] = Field(0.001, description="learning rate")
    optimizer_args: OptimizerArguments = Field("none", description=OPTIMIZER_ARGS_MEANING)
    continue_from: NotBlank = Field(
        NO_RUN,
        description="run of a training to train on, in a new run, until it has had `epochs` in all; none: a new one",
    )

    @property
    def code(self) -> list[FileReference]:
        """The user's own files that the settings name."""
        names = {"model": self.model, "optimizer": self.optimizer}
        references = (file_reference(setting, text) for setting, text in names.items())
        return [reference for reference in references if reference]

    @property
    def choice(self) -> OptimizerChoice:
        """The optimizer with its settings."""
        return OptimizerChoice(self.optimizer, self.momentum, self.weight_decay, self.optimizer_args)

    @property
    def optimizer_label(self) -> str:
        """The optimizer with its settings, as in reports: `sgd momentum=0.9`."""
        return self.choice.label

    @model_validator(mode="after")
    def _momentum_has_an_effect(self) -> Self:
        if self.momentum and not has_momentum(self.optimizer):
            optimizers = join_or([quote(name) for name, spec in OPTIMIZERS.items() if spec.momentum])
            problem = f"has no effect on {self.optimizer}; use momentum=0, or optimizer={optimizers}."
            raise ValueError(setting_error("momentum", self.momentum, problem))
        return self


def parameters(settings: BaseModel) -> dict[str, str]:
    """Return the parameters that MLflow shows: `settings` as typed, and log10_lr for the parallel coordinates."""
    shown = {name: format_setting(value) for name, value in settings}
    if "lr" in shown:
        shown["log10_lr"] = f"{log10(float(shown['lr'])):.6g}"
    return shown
