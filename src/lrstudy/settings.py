"""Every parameter of a training, declared once: name, type, default, bounds, meaning.

The command line, the parameters on the tracking server and the check of `MLproject` derive from these fields.
"""

import re
import sys
from difflib import get_close_matches
from math import log10
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lrstudy.training.models import OWN_MODELS, torchvision_classifiers
from lrstudy.training.optimizers import OPTIMIZERS

Auto = Literal["auto"]


def suggest(value: str, known: list[str]) -> str:
    """The clause that tells what would be right instead of `value`: near names, or all of them."""
    near = get_close_matches(value.lower(), known, n=4, cutoff=0.6)
    return f"did you mean {either(near)}?" if near else f"it must be {either(known)}."


def either(words: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def split_commas(value: object) -> object:
    """The parts of a text, as a validator for lists that are typed `a,b,c`."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def known_optimizer(name: str, known: tuple[str, ...] = tuple(OPTIMIZERS)) -> str:
    """`name`, if it is one of `known`, as a validator."""
    if name not in known:
        raise ValueError(f"no optimizer has this name; {suggest(name, list(known))}")
    return name


def _known_model(name: str) -> str:
    # Importing torchvision takes seconds: not for the project's own networks.
    if name not in OWN_MODELS and name not in (known := [*OWN_MODELS, *torchvision_classifiers()]):
        raise ValueError(f"no network has this name; {suggest(name, known)}")
    return name


def _named_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("it must be auto, cpu, cuda, cuda:N or mps.")
    return name


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it must not be empty.")
    return text


def _known_home(path: str) -> str:
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("this home folder is not known.") from None
    return path


def _as_a_cpu_has_it(value: object) -> object:
    # What trains takes numbers in the denormal range for 0 (`runtime.prepare`), and must not be told of another.
    try:
        return 0.0 if abs(float(str(value))) < SMALLEST else value
    except ValueError:  # no number: for pydantic to say
        return value


SMALLEST = sys.float_info.min
# Far above any use, and far enough below the largest 32-bit float for the optimizers' arithmetic.
LARGEST = 1e30
Neurons = Annotated[int, Field(ge=1, le=65536)]
NotBlank = Annotated[str, AfterValidator(_not_blank)]
SomePath = Annotated[NotBlank, AfterValidator(_known_home)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Flushed = BeforeValidator(_as_a_cpu_has_it)
Hidden = Annotated[tuple[Neurons, ...], BeforeValidator(split_commas), Field(min_length=1)]
OptimizerName = Annotated[str, AfterValidator(known_optimizer)]
Rate = Annotated[Finite, Field(gt=0, le=LARGEST), Flushed]
HIDDEN = (256, 128, 64)
MOST_EPOCHS = MOST_IMAGES = 10**9
# Of a parameter on the tracking server.
MOST_CHARACTERS = 6000


class CommonSettings(BaseModel):
    """The settings that a single training and all trainings of a study have alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: NotBlank = Field("digits", description="digits, mnist, fashion-mnist, cifar10, or a folder of class folders")
    data_root: SomePath = Field("auto", description="where torchvision's data sets lie; auto: the user's cache folder")
    image_size: int = Field(0, ge=0, le=1024, description="side in pixels; 0: the source's own (a folder: 64)")
    fit: Literal["pad", "crop"] = Field("pad", description="pad letterboxes, crop fills; both keep the aspect ratio")
    bad_images: Literal["error", "skip"] = Field("error", description="broken images: stop, or train without them")
    split_seed: int = Field(0, ge=0, lt=2**32, description="which images are for training, validation and test")
    model: Annotated[str, AfterValidator(_known_model)] = Field(
        "mlp", description="mlp, cnn, or the name of one of torchvision's classifiers"
    )
    momentum: Annotated[Finite, Field(ge=0, lt=1), Flushed] = Field(0.0, description="momentum of sgd and rmsprop")
    weight_decay: Auto | Annotated[Finite, Field(ge=0, le=LARGEST), Flushed] = Field(
        "auto", description="auto: torch's default"
    )
    epochs: int = Field(50, ge=1, le=MOST_EPOCHS, description="passes over the training part")
    batch_size: int = Field(256, ge=1, le=MOST_IMAGES, description="images a step")
    seed: int = Field(0, ge=0, lt=2**32, description="initial weights and order of batches")
    device: Annotated[str, AfterValidator(_named_device)] = Field("auto", description="cpu, cuda, cuda:N or mps")
    threads: Auto | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto", description="CPU threads; auto: 1 for mlp and cnn, every core for torchvision's networks"
    )

    @model_validator(mode="after")
    def _nothing_too_long_for_the_server(self) -> Self:
        for name, value in self:
            if (length := len(typed(value))) > MOST_CHARACTERS:
                raise ValueError(f"{name}: of its {length:,} characters MLflow takes {MOST_CHARACTERS:,}; shorten it.")
        return self


class TrainSettings(CommonSettings):
    """The settings of one training."""

    hidden: Hidden = Field(HIDDEN, description="neurons of the dense layers of mlp and cnn, input side first")
    optimizer: OptimizerName = Field("adam", description=", ".join(OPTIMIZERS))
    lr: Rate = Field(0.001, description="learning rate")

    @model_validator(mode="after")
    def _momentum_has_a_taker(self) -> Self:
        if self.momentum and not OPTIMIZERS[self.optimizer].momentum:
            takers = either([name for name, spec in OPTIMIZERS.items() if spec.momentum])
            raise ValueError(
                f"momentum={typed(self.momentum)}: {self.optimizer} has none to set; make it 0, or optimizer={takers}."
            )
        return self


def parameters(settings: BaseModel) -> dict[str, str]:
    """What MLflow shows of `settings`, spelled as a user would type it, and log10_lr for its parallel coordinates."""
    shown = {name: typed(value) for name, value in settings}
    if "lr" in shown:
        shown["log10_lr"] = f"{log10(float(shown['lr'])):.6g}"
    return shown


def typed(value: object) -> str:
    """`value` as it is typed: `(256, 128)` is `256,128`, `((8,), (4,))` is `8;4`, `0.0` is `0`, `True` is `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return (";" if value and isinstance(value[0], tuple) else ",").join(typed(part) for part in value)
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if float(text) == value else repr(value)
    # Names of files may hold bytes that are no text, which a tracking server would refuse.
    return str(value).encode("utf-8", "replace").decode()
