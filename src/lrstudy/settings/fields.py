"""Types and validators of settings: what a field accepts, and the sentence that rejects anything else."""

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lrstudy.formatting import did_you_mean
from lrstudy.networks import BUILTIN_NETWORKS, torchvision_classifiers
from lrstudy.optimizers import OPTIMIZERS

Auto = Literal["auto"]


def split_commas(value: object) -> object:
    """The parts of a text, as a validator for lists that are typed `a,b,c`."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def known_optimizer(name: str, known: tuple[str, ...] = tuple(OPTIMIZERS)) -> str:
    """`name`, if it is one of `known`, as a validator."""
    if name not in known:
        raise ValueError(f"no optimizer has this name; {did_you_mean(name, list(known))}")
    return name


def known_model(name: str) -> str:
    """Return `name`, or raise ValueError if it is not a known network."""
    # Importing torchvision takes seconds: not for the project's own networks.
    if name not in BUILTIN_NETWORKS and name not in (known := [*BUILTIN_NETWORKS, *torchvision_classifiers()]):
        raise ValueError(f"no network has this name; {did_you_mean(name, known)}")
    return name


def known_device(name: str) -> str:
    """Return `name`, or raise ValueError if it is not the name of a device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("it must be auto, cpu, cuda, cuda:N or mps.")
    return name


def not_blank(text: str) -> str:
    """Return `text`, or raise ValueError if it is blank."""
    if not text.strip():
        raise ValueError("it must not be empty.")
    return text


def known_home(path: str) -> str:
    """Return `path`, or raise ValueError if it names an unknown user's home folder."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("this home folder is not known.") from None
    return path


def flush_denormal(value: object) -> object:
    """Return `value`, or 0 in place of a denormal number."""
    # What trains takes numbers in the denormal range for 0 (`runtime.prepare`), and must not be told of another.
    try:
        return 0.0 if abs(float(str(value))) < MIN_FLOAT else value
    except ValueError:  # no number: for pydantic to say
        return value


def split_semicolons(value: object) -> object:
    """Return the parts of a text between semicolons; any other value as it is."""
    return value.split(";") if isinstance(value, str) else value


def known_optimizer_or_all(name: str) -> str:
    """Return `name`, or raise ValueError if it is neither `all` nor a known optimizer."""
    return known_optimizer(name, ("all", *OPTIMIZERS))


MIN_FLOAT = sys.float_info.min
# Far above any use, and far enough below the largest 32-bit float for the optimizers' arithmetic.
MAX_FLOAT = 1e30
Neurons = Annotated[int, Field(ge=1, le=65536)]
NotBlank = Annotated[str, AfterValidator(not_blank)]
UserPath = Annotated[NotBlank, AfterValidator(known_home)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
FlushDenormal = BeforeValidator(flush_denormal)
Hidden = Annotated[tuple[Neurons, ...], BeforeValidator(split_commas), Field(min_length=1)]
OptimizerName = Annotated[str, AfterValidator(known_optimizer)]
LearningRate = Annotated[Finite, Field(gt=0, le=MAX_FLOAT), FlushDenormal]
DEFAULT_HIDDEN = (256, 128, 64)
MAX_EPOCHS = MAX_IMAGES = 10**9
# Of a parameter on the tracking server.
MAX_CHARACTERS = 6000
