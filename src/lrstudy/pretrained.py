"""Pretrained weights: torchvision's by their names, or those of a file with a state dict.

Importing it does not import PyTorch.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lrstudy.errors import SettingsError
from lrstudy.formatting import join_and, join_or, quote, setting_error
from lrstudy.networks import BUILTIN_NETWORKS
from lrstudy.user_code import file_reference, package_reference
from lrstudy.user_files import is_file, read_file, user_path

if TYPE_CHECKING:
    from torch import Tensor

NONE, DEFAULT = "none", "default"
# torchvision's weights of these families were trained on images from -1 to 1, whatever their transforms say: with
# these weights torchvision's own networks convert their input.
FROM_MINUS_ONE = ("googlenet", "inception")
# The name of each of torchvision's files ends with the beginning of its SHA-256 digest.
DIGEST_IN_URL = re.compile(r"-([0-9a-f]{8,})\.pth$")


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights to begin a training from: the value of the setting `weights`, the network, and the file.

    `mean` and `std` are those of the images that torchvision's weights were trained on, red, green and blue, from 0 to
    1; None for other weights.
    """

    text: str
    model: str
    path: Path
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the file's content, 64 hex digits.

        Raises:
            SettingsError: the file cannot be read.
        """
        return _digest_and_state(self.text, self.path)[0]

    @property
    def state(self) -> Mapping[str, Tensor]:
        """The file's state dict, on the CPU.

        Raises:
            SettingsError: the file is not a state dict.
        """
        return _digest_and_state(self.text, self.path)[1]

    def normalisation(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return the mean and the deviation per channel, in units of 0 to 255; None for those of the data.

        Grey images have the averages over red, green and blue.
        """
        if self.mean is None or self.std is None:
            return None
        scaled = [tuple(255 * value for value in values) for values in (self.mean, self.std)]
        mean, std = scaled if channels == len(self.mean) else [(fmean(values),) for values in scaled]
        return mean, std

    def describe_normalisation(self, channels: int) -> str:
        """Return a clause on the normalisation of the images."""
        if (normalisation := self.normalisation(channels)) is None:
            return "by the mean and deviation of the training images"
        mean, std = ([f"{value / 255:.3g}" for value in values] for values in normalisation)
        return f"as for torchvision's weights, by the mean {join_and(mean)} and the deviation {join_and(std)}"


def weights_problem(text: str, model: str) -> str | None:
    """Return the problem of the setting `weights` for this network; None if it names a file or known weights."""
    if text == NONE or (text != DEFAULT and is_file(user_path(text))):
        return None
    missing = f"there is no file {quote(str(user_path(text).absolute()))}"
    if not _is_torchvisions(model):
        if text != DEFAULT:
            return f": {missing}."
        return (
            f": torchvision has no weights for model={quote(model)}; use a file with a state dict, or one of "
            "torchvision's networks."
        )
    known = list(_known_weights(model))
    if text in known or (text == DEFAULT and known):
        return None
    names = join_or([DEFAULT, *known]) if known else "none"
    return f": {missing}; torchvision's weights for {model} are called {names}."


@cache
def find_weights(text: str, model: str) -> PretrainedWeights:
    """Return the weights that the setting `weights` names, after a download if they are torchvision's and not cached.

    Raises:
        SettingsError: they are not cached and cannot be downloaded, or the file cannot be read.
    """
    known = _known_weights(model) if _is_torchvisions(model) else {}
    path = user_path(text)
    if text == DEFAULT or (text in known and not path.is_file()):
        entry = _default_weights(model) if text == DEFAULT else known[text]
        path = _downloaded(text, model, entry.url)
    else:
        digest = _digest_and_state(text, path)[0]
        entry = next((entry for entry in known.values() if _has_digest(entry.url, digest)), None)
    if entry is None:
        return PretrainedWeights(text, model, path)
    if model.startswith(FROM_MINUS_ONE):
        return PretrainedWeights(text, model, path, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    transforms = entry.transforms()
    return PretrainedWeights(text, model, path, tuple(transforms.mean), tuple(transforms.std))


def _is_torchvisions(model: str) -> bool:
    return not (model in BUILTIN_NETWORKS or file_reference("", model) or package_reference(model))


def _known_weights(model: str) -> dict[str, Any]:
    """Return torchvision's weights for one of its networks, by their names."""
    from torchvision.models import get_model_weights

    return {entry.name: entry for entry in get_model_weights(model)}


def _default_weights(model: str) -> Any:
    from torchvision.models import get_model_weights

    return get_model_weights(model)["DEFAULT"]


def _has_digest(url: str, digest: str) -> bool:
    match = DIGEST_IN_URL.search(url)
    return match is not None and digest.startswith(match[1])


def _downloaded(text: str, model: str, url: str) -> Path:
    """Return the path of torchvision's file in the cache of torch.hub, where torchvision's own functions keep it."""
    import torch

    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if path.is_file():
        return path
    match = DIGEST_IN_URL.search(url)
    print(f"downloading {url}", file=sys.stderr, flush=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), match[1] if match else None, progress=False)
    except (OSError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
        problem = f": the weights of {model} are not cached and cannot be downloaded ({reason}); put {url} at {path}."
        raise SettingsError(setting_error("weights", text, problem)) from None
    return path


@cache
def _digest_and_state(text: str, path: Path) -> tuple[str, Mapping[str, Tensor]]:
    """Return a file's digest and its state dict; read once in this process, so that the two belong together."""
    import torch

    content = read_file("weights", text, path)
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # a file of something else fails in many ways
        state = None
    if not isinstance(state, Mapping) or not state or not all(map(_is_weight, state.items())):
        problem = (
            f": {path.absolute()} is not a state dict that torch.load reads with weights_only=True; write one by "
            "torch.save(network.state_dict(), path)."
        )
        raise SettingsError(setting_error("weights", text, problem))
    return hashlib.sha256(content).hexdigest(), state


def _is_weight(item: tuple[object, object]) -> bool:
    import torch

    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)
