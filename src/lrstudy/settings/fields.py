"""Types of settings and their validators; an error's text continues the sentence that begins with the value."""

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lrstudy.answer.defaults import MAX_CONFIDENCE
from lrstudy.formatting import did_you_mean, quote
from lrstudy.networks import BUILTIN_NETWORKS, torchvision_classifiers
from lrstudy.optimizers import OPTIMIZERS, format_arguments, parse_arguments
from lrstudy.user_code import file_reference, misses_name, package_reference
from lrstudy.user_files import is_file

Auto = Literal["auto"]
NO_CLUSTER, LOCAL_CLUSTER = "none", "local:"
MIN_FLOAT = sys.float_info.min
# Far above any use, and far enough below the largest 32-bit float for the optimizers' arithmetic.
MAX_FLOAT = 1e30
MAX_EPOCHS = MAX_IMAGES = 10**9
# The tracking server rejects longer parameters.
MAX_CHARACTERS = 6000
DEFAULT_HIDDEN = (256, 128, 64)
# An error echoes at most this many values of a list.
MAX_VALUES = 4


def split_commas(value: object) -> object:
    """Return the parts of a text between commas; any other value as it is."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def split_semicolons(value: object) -> object:
    """Return the parts of a text between semicolons; any other value as it is."""
    return value.split(";") if isinstance(value, str) else value


def reject_list(instead: Callable[[list[str]], str]) -> BeforeValidator:
    """Return a validator that rejects several values.

    Args:
        instead: returns a suggestion, given the first values.
    """

    def reject(value: object) -> object:
        values = (
            re.findall(r"[\w.+-]+", value) if isinstance(value, str) and re.search(r"[\w.][\s,;]+[\w.]", value) else []
        )
        if len(values) > 1:
            raise ValueError(f"has several values; {instead(values[:MAX_VALUES])}.")
        return value

    return BeforeValidator(reject)


def known_optimizer(name: str, known: tuple[str, ...] = tuple(OPTIMIZERS)) -> str:
    """Return `name`, or raise ValueError if it is not one of `known`, nor a user's class or one of a package."""
    if name not in known and not is_user_code(name):
        raise ValueError(f"is not a known optimizer; {did_you_mean(name, known)}")
    return name


def known_optimizer_or_all(name: str) -> str:
    """Return `name`, or raise ValueError if it is neither `all` nor a known optimizer."""
    return known_optimizer(name, ("all", *OPTIMIZERS))


def known_model(name: str) -> str:
    """Return `name`, or raise ValueError if it is not a known network, nor a user's function or a network of timm."""
    if is_user_code(name):
        return name
    # torchvision takes seconds to import: it is not imported for the project's own networks.
    if name not in BUILTIN_NETWORKS and name not in (known := [*BUILTIN_NETWORKS, *torchvision_classifiers()]):
        raise ValueError(f"is not a known network; {did_you_mean(name, known)}")
    return name


def is_user_code(name: str) -> bool:
    """Return whether `name` refers to code of the user or of another package.

    The code itself is read and run by a worker.

    Raises:
        ValueError: its file is missing, or the name in the file.
    """
    if misses_name(name):
        example = f"{name.removesuffix(':')}:name"
        raise ValueError(f"must also name the function or the class in the file, as in {quote(example)}.")
    if reference := file_reference("", name):
        if not is_file(reference.path):
            raise ValueError(f": there is no file {quote(str(reference.path.absolute()))}.")
        return True
    return package_reference(name) is not None


def optimizer_arguments(text: str) -> str:
    """Return an optimizer's arguments in a canonical form; raise ValueError if they are invalid."""
    return format_arguments(parse_arguments(text))


def several_arguments(text: str) -> str:
    """Return lists of arguments separated by `|` in a canonical form; raise ValueError if one is invalid."""
    parts = [optimizer_arguments(part) for part in text.split("|")]
    if len(set(parts)) < len(parts):
        raise ValueError("has a duplicate value.")
    return "|".join(parts)


def known_device(name: str) -> str:
    """Return `name`, or raise ValueError if it is not the name of a device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'.")
    return name


def not_blank(text: str) -> str:
    """Return `text`, or raise ValueError if it is blank."""
    if not text.strip():
        raise ValueError("must not be empty.")
    return text


def regular_expression(pattern: str) -> str:
    """Return `pattern`, or raise ValueError if it is not a regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a later version of Python may read it differently
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ValueError(f"is not a regular expression: {error}.") from None
    return pattern


def is_valid_lr(lr: float) -> bool:
    """Return whether a learning rate is within the bounds of the setting."""
    return MIN_FLOAT <= lr <= MAX_FLOAT


def cluster_address(text: str) -> str:
    """Return `text`, or raise ValueError if it is neither `none`, `local:N` nor the address of a Dask scheduler."""
    if text.startswith(LOCAL_CLUSTER):
        if not re.fullmatch(r"[1-9]\d{0,2}", text.removeprefix(LOCAL_CLUSTER)):
            raise ValueError(f"must be {LOCAL_CLUSTER} and a number of workers, such as {LOCAL_CLUSTER}4.")
    elif text != NO_CLUSTER and not re.fullmatch(r"(\w+://)?[\w.\-\[\]:]+:\d{1,5}", text):
        raise ValueError(f"must be the address of a Dask scheduler, such as tcp://host:8786, or {LOCAL_CLUSTER}N.")
    return text


def known_home(path: str) -> str:
    """Return `path`, or raise ValueError if it names an unknown user's home folder."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("names the home folder of an unknown user.") from None
    return path


def flush_denormal(value: object) -> object:
    """Return `value`, or 0 in place of a denormal number: a training flushes these to 0 (`runtime.prepare`)."""
    try:
        return 0.0 if abs(float(str(value))) < MIN_FLOAT else value
    except ValueError:  # not a number: pydantic reports it
        return value


Neurons = Annotated[int, Field(ge=1, le=65536)]
NotBlank = Annotated[str, AfterValidator(not_blank)]
ClusterAddress = Annotated[str, AfterValidator(cluster_address)]
UserPath = Annotated[NotBlank, AfterValidator(known_home)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
FlushDenormal = BeforeValidator(flush_denormal)
Delta = Annotated[Finite, Field(gt=0, le=1, description="difference that does not matter, as a share of the loss")]
Confidence = Annotated[
    Finite,
    Field(ge=0.5, le=MAX_CONFIDENCE, description="that a sure answer is right, and that all intervals hold together"),
]
Hidden = Annotated[tuple[Neurons, ...], BeforeValidator(split_commas), Field(min_length=1)]
Momentum = Annotated[Finite, Field(ge=0, lt=1), FlushDenormal]
WeightDecay = Auto | Annotated[Finite, Field(ge=0, le=MAX_FLOAT), FlushDenormal]
OptimizerArguments = Annotated[str, AfterValidator(optimizer_arguments)]
OptimizerName = Annotated[str, AfterValidator(known_optimizer)]
LearningRate = Annotated[Finite, Field(gt=0, le=MAX_FLOAT), FlushDenormal]
