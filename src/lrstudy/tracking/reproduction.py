"""Repeat the training of a run on the server; compare the machine before it starts, and the numbers afterwards."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import torch
from mlflow import MlflowClient
from torch import Tensor

from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.errors import SettingsError
from lrstudy.formatting import format_setting, quote, setting_error
from lrstudy.server_names import (
    BEST_VAL_BALANCED_ACCURACY,
    BEST_VAL_MACRO_F1,
    COMMIT,
    DATA_DIGEST,
    DEVICE,
    HARDWARE,
    KEY,
    PREPROCESSING,
    PRUNED_KEY,
    REPRODUCE,
    TEST,
    THREADS,
    TIME,
    UNCOMMITTED,
    VERSIONS,
    WEIGHTS_DIGEST,
)
from lrstudy.settings import ReproduceSettings
from lrstudy.settings.training import NO_RUN
from lrstudy.tracking import server, training_run
from lrstudy.tracking.opened_run import check_opened_run
from lrstudy.tracking.recorded_training import RecordedTraining, download_weights, read_recorded_training
from lrstudy.tracking.stored_values import is_stored
from lrstudy.training import runtime, setup
from lrstudy.training.epoch import Epoch
from lrstudy.training.plan import TrainingPlan, load_data
from lrstudy.training.progress import finalize, initial_progress, track_best
from lrstudy.training.specification import TrialSpecification

PREPROCESSING_DIFFERS = "the run's images were read by another version of this project, which can give other pixels"
SAME, DIFFERENT = "the same bits", "different"
NOT_COMPARED, NOT_REACHED = "not compared", "not compared, since they cannot be reached"

# Metrics that runs of older versions lack.
LATER_METRICS = (BEST_VAL_BALANCED_ACCURACY, BEST_VAL_MACRO_F1, f"{TEST}balanced_accuracy", f"{TEST}macro_f1")

ShowProgress = Callable[[Iterable[Epoch], int], Iterator[Epoch]]


@dataclass(frozen=True)
class Difference:
    """A number of an epoch that differs from the recorded one."""

    epoch: int
    name: str
    recorded: float
    reproduced: float

    @property
    def size(self) -> float:
        """The absolute difference; infinite where one of the two is not a finite number."""
        size = abs(self.reproduced - self.recorded)
        return size if math.isfinite(size) else math.inf

    def __str__(self) -> str:
        return (
            f"{self.name} at epoch {self.epoch} was {self.recorded!r} and is {self.reproduced!r}, {self.size:.2g} apart"
        )


@dataclass
class ReproductionComparison:
    """The differences so far: the number of compared epochs, the differences in them, in the scores, in the weights.

    If the data differs, nothing is trained, and nothing is identical.
    """

    data_differs: bool = False
    epochs: int = 0
    differences: list[Difference] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)
    weights: str = NOT_COMPARED

    @property
    def identical(self) -> bool:
        """True if nothing differs."""
        return not (self.data_differs or self.differences or self.scores or self.weights == DIFFERENT)

    def add(self, epoch: Epoch, recorded: Mapping[str, float]) -> None:
        """Compare an epoch with the recorded one."""
        self.epochs += 1
        for name, value in recorded.items():
            if not is_stored(reproduced := getattr(epoch, name), value):
                self.differences.append(Difference(epoch.epoch, name, value, reproduced))

    def compare_scores(self, reproduced: Mapping[str, float], recorded: Mapping[str, float]) -> None:
        """Compare the metrics that a training has once, except its times and those that older versions did not log."""
        for name, value in reproduced.items():
            if name in LATER_METRICS and name not in recorded:
                continue
            if not name.startswith(TIME) and not is_stored(value, recorded.get(name)):
                self.scores.append(f"{name} was {recorded.get(name)!r} and is {value!r}")

    def __str__(self) -> str:
        """Return one line that begins with `identical` or `different`, with the first and the largest difference."""
        word = "identical" if self.identical else "different"
        if self.data_differs:
            return "different: the data has changed since the run, so nothing is trained."
        if self.differences:
            first, largest = self.differences[0], max(self.differences, key=lambda difference: difference.size)
            also = f"; the largest difference: {largest}" if largest.size > first.size else ""
            losses = f"{word} from epoch {first.epoch} on: {first}{also}"
        else:
            losses = f"{word}: the losses and accuracies from epoch 0 to {self.epochs - 1} are the same bits"
        return "; ".join([losses, *self.scores, f"the best weights: {self.weights}."])


def reproduce(run_id: str, show: ShowProgress) -> ReproductionComparison:
    """Train a run of the server again, compare, and print the comparison; log it to the run that `mlflow run` opened.

    `show` gets the epochs and the number of the last one, and yields the epochs on.

    Raises:
        SettingsError: the run is not a training, or cannot be trained on this machine.
        TrackingError: the server cannot be reached, or rejects a call.
    """
    with server.connected_client() as client:
        check_opened_run(client, REPRODUCE, ReproduceSettings(run_id=run_id))
        recorded = read_recorded_training(client, run_id)
    training_run.log_reproduction(recorded.run_id, recorded.name)
    plan = _plan(recorded)
    print(*describe_setup(recorded, plan.specification), sep="\n", flush=True)
    if plan.data.digest != recorded.data_digest:
        comparison = ReproductionComparison(data_differs=True)
    else:
        comparison = _train_and_compare(plan, recorded, client, show)
    print(comparison)
    training_run.log_reproduction(recorded.run_id, recorded.name, str(comparison))
    return comparison


def _plan(recorded: RecordedTraining) -> TrainingPlan:
    settings = recorded.settings
    try:
        here = runtime.prepare(settings)
    except SettingsError as error:
        raise SettingsError(
            f"run_id={quote(recorded.run_id)}: it was trained {recorded.environment}, and here {error}"
        ) from None
    plan = TrainingPlan(settings, load_data(settings), here)
    for reference in plan.settings.code:
        if recorded.code.get(reference.setting) != reference.digest:
            problem = (
                f": {reference.path.absolute()} differs from the file of the run, which is among its artifacts; "
                "put that one there to train it again."
            )
            raise SettingsError(setting_error(reference.setting, reference.text, problem))
    weights = plan.weights
    if weights and (digest := recorded.code.get(WEIGHTS_DIGEST)) != weights.digest:
        problem = (
            f": {weights.path.absolute()} differs from the file that the run began from, whose SHA-256 digest is "
            f"{digest}; put that one there to train it again."
        )
        raise SettingsError(setting_error("weights", weights.text, problem))
    return plan


def _train_and_compare(
    plan: TrainingPlan, recorded: RecordedTraining, client: MlflowClient, show: ShowProgress
) -> ReproductionComparison:
    comparison = ReproductionComparison()
    training = setup.build(plan)
    so_far = initial_progress(training)
    epochs = islice(track_best(training, so_far, training.epochs()), len(recorded.epochs))
    for epoch in show(epochs, len(recorded.epochs) - 1):
        comparison.add(epoch, recorded.epochs[epoch.epoch])
    if recorded.complete:
        comparison.compare_scores(finalize(training, so_far).metrics, recorded.scores)
        comparison.weights = compare_weights(download_weights(client, recorded.run_id), so_far.best_weights)
    return comparison


def describe_setup(recorded: RecordedTraining, ours: TrialSpecification) -> Iterator[str]:
    """Yield lines on all that a training's numbers depend on besides its settings: as recorded, or the difference."""
    there, here = recorded.tags, ours.tags
    yield f"run {recorded.run_id}: {recorded.name}, {ours.title}"
    for name, tag in (("data", DATA_DIGEST), ("threads", THREADS), ("device", DEVICE), ("machine", HARDWARE)):
        yield f"  {name}: {_compare_values(there.get(tag), here[tag])}"
    if there.get(PREPROCESSING) != here[PREPROCESSING] and recorded.data_digest != here[DATA_DIGEST]:
        yield f"  preprocessing: {PREPROCESSING_DIFFERS}"
    yield f"  versions: {_compare_versions(there.get(VERSIONS, ''), here[VERSIONS])}"
    yield f"  code: {_compare_code(there, here)}"
    if recorded.assumed:
        defaults = ", ".join(f"{name} {format_setting(getattr(recorded.settings, name))}" for name in recorded.assumed)
        yield f"  settings that were not recorded, assumed to have their defaults: {defaults}"
    if recorded.settings.continue_from != NO_RUN:
        origin = recorded.settings.continue_from
        yield f"  continues run {origin}; in one go the bits are equal if that kept its last state"
    if not recorded.complete:
        yield f"  cut off after {len(recorded.epochs) - 1} of {ours.settings.epochs} epochs: only these are compared"
    if there.get(KEY, there.get(PRUNED_KEY)) != ours.key and recorded.data_digest == here[DATA_DIGEST]:
        yield "  the training's code, or one of torch's defaults, has changed since the run and gives other numbers"


def compare_weights(saved: bytes | None, ours: Mapping[str, Tensor]) -> str:
    """Compare the content of a weights file with weights; return one of this module's phrases."""
    if saved is None:
        return NOT_REACHED
    try:
        theirs = torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
        same = theirs.keys() == ours.keys() and all(_bits(theirs[name]) == _bits(value) for name, value in ours.items())
    except Exception:  # a damaged file, or one of something else, fails in many ways
        return DIFFERENT
    return SAME if same else DIFFERENT


def _bits(tensor: Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.detach().cpu().contiguous().numpy().tobytes()


def _compare_values(there: str | None, here: str) -> str:
    return f"{here}, as recorded" if there == here else f"{there or 'not recorded'} there, {here} here"


def _compare_versions(there: str, here: str) -> str:
    theirs, ours = (dict(part.split(" ", 1) for part in text.split(", ") if " " in part) for text in (there, here))
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    differences = [f"{name} {theirs.get(name, 'none')} there, {ours.get(name, 'none')} here" for name in names]
    return "; ".join(differences) or "as recorded"


def _compare_code(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    commits = [(tags.get(COMMIT) or "no commit")[:12] for tags in (there, source_tags())]
    changed = [where for where, tags in (("there", there), ("here", here)) if tags.get(UNCOMMITTED) == "true"]
    return _compare_values(*commits) + (f"; with uncommitted changes {' and '.join(changed)}" if changed else "")
