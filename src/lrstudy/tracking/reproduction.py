"""A training beside one on the server: what was different before it began, and what came of it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.formatting import format_setting
from lrstudy.server_names import (
    COMMIT,
    CURVES,
    DATA_DIGEST,
    DEVICE,
    HARDWARE,
    KEY,
    PRUNED_KEY,
    THREADS,
    TIME,
    UNCOMMITTED,
    VERSIONS,
)
from lrstudy.tracking.recorded_training import RecordedTraining
from lrstudy.tracking.stored_values import is_stored
from lrstudy.training.epoch import Epoch
from lrstudy.training.specification import TrialSpecification

SAME, DIFFERENT = "the same bits", "different"
NOT_COMPARED, NOT_REACHED = "not compared", "not compared, since they cannot be reached"


def describe_differences(record: RecordedTraining, ours: TrialSpecification) -> Iterator[str]:
    """Lines on what a training's numbers depend on beside its settings: each as recorded, or what is different here."""
    there, here = record.tags, ours.tags
    yield f"run {record.run_id}: {record.name}, {ours.title}"
    for name, tag in (("data", DATA_DIGEST), ("threads", THREADS), ("device", DEVICE), ("machine", HARDWARE)):
        yield f"  {name}: {_beside(there.get(tag), here[tag])}"
    yield f"  versions: {_versions(there.get(VERSIONS, ''), here[VERSIONS])}"
    yield f"  code: {_code(there, here)}"
    if record.assumed:
        assumed = ", ".join(f"{name} {format_setting(getattr(record.settings, name))}" for name in record.assumed)
        yield f"  settings that were not recorded: {assumed}, as is the default"
    if not record.whole:
        yield f"  it was cut off after {len(record.epochs) - 1} of {ours.settings.epochs} epochs: these are compared"
    if there.get(KEY, there.get(PRUNED_KEY)) != ours.key and record.data_digest == here[DATA_DIGEST]:
        yield "  the training's code, or one of torch's defaults, gives other numbers since"


@dataclass(frozen=True)
class Difference:
    """A number that is not the one on the server."""

    epoch: int
    name: str
    there: float
    here: float

    @property
    def size(self) -> float:
        """The absolute difference; infinite where one of the two is no finite number."""
        size = abs(self.here - self.there)
        return size if math.isfinite(size) else math.inf

    def __str__(self) -> str:
        return f"{self.name} at epoch {self.epoch} was {self.there!r} and is {self.here!r}, {self.size:.2g} apart"


@dataclass
class ReproductionComparison:
    """What has been compared so far: the number of epochs, the numbers that differ in them, the scores, the weights.

    With other data nothing is trained, and nothing can be identical.
    """

    data_differ: bool = False
    epochs: int = 0
    differences: list[Difference] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)
    weights: str = NOT_COMPARED

    @property
    def identical(self) -> bool:
        """Whether nothing is different."""
        return not (self.data_differ or self.differences or self.scores or self.weights == DIFFERENT)

    def add(self, epoch: Epoch, there: Mapping[str, float]) -> None:
        """Compares an epoch with the one on the server."""
        self.epochs += 1
        for name in CURVES:
            if not is_stored(here := getattr(epoch, name), there[name]):
                self.differences.append(Difference(epoch.epoch, name, there[name], here))

    def compare_scores(self, ours: Mapping[str, float], there: Mapping[str, float]) -> None:
        """Compares what a training comes to at its end, but for the times that it took."""
        for name, here in ours.items():
            if not name.startswith(TIME) and not is_stored(here, there.get(name)):
                self.scores.append(f"{name} was {there.get(name)!r} and is {here!r}")

    def __str__(self) -> str:
        """One line that begins with `identical` or `different`, with the first difference and the largest."""
        word = "identical" if self.identical else "different"
        if self.data_differ:
            return "different: the data are not those of the run, so nothing is trained."
        if self.differences:
            first, largest = self.differences[0], max(self.differences, key=lambda one: one.size)
            beyond = f"; the largest difference: {largest}" if largest.size > first.size else ""
            losses = f"{word} from epoch {first.epoch} on: {first}{beyond}"
        else:
            losses = f"{word}: the losses and accuracies from epoch 0 to {self.epochs - 1} are the same bits"
        return "; ".join([losses, *self.scores, f"the best weights: {self.weights}."])


def compare_weights(saved: bytes | None, ours: Mapping[str, Tensor]) -> str:
    """How the content of a file that should be weights compares with weights: in one of the words above."""
    if saved is None:
        return NOT_REACHED
    try:
        there = torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
        alike = there.keys() == ours.keys() and all(_bits(there[name]) == _bits(value) for name, value in ours.items())
    except Exception:  # a file that is damaged, or of something else, fails in many ways
        return DIFFERENT
    return SAME if alike else DIFFERENT


def _bits(tensor: Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.detach().cpu().contiguous().numpy().tobytes()


def _beside(there: str | None, here: str) -> str:
    return f"{here}, as recorded" if there == here else f"{there or 'not recorded'} there, {here} here"


def _versions(there: str, here: str) -> str:
    theirs, ours = (dict(part.split(" ", 1) for part in text.split(", ") if " " in part) for text in (there, here))
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    different = [f"{name} {theirs.get(name, 'none')} there, {ours.get(name, 'none')} here" for name in names]
    return "; ".join(different) or "as recorded"


def _code(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    commits = [(tags.get(COMMIT) or "no commit")[:12] for tags in (there, source_tags())]
    changed = [where for where, tags in (("there", there), ("here", here)) if tags.get(UNCOMMITTED) == "true"]
    return _beside(*commits) + (f"; with uncommitted changes {' and '.join(changed)}" if changed else "")
