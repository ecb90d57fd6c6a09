"""The result of a trial, as the parts of a study pass it on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lrstudy.formatting import format_setting, join_and
from lrstudy.redaction import redact_credentials
from lrstudy.training.specification import TrialSpecification

# A diverged training counts as this multiple of the loss of guessing: bad, and finite.
DIVERGED_LOSS_FACTOR = 2.0
PRUNED, DIVERGED = "pruned", "diverged"


@dataclass(frozen=True)
class TrialResult:
    """A trial that has ended. A failed one has no `verdict` but a `reason`; the run of a `reused` one existed before.

    One that was `stopped` before its end has no weights. `curve` holds epochs and their validation losses if the study
    uses them. `test_accuracy` is that on the held-out test
    split, NaN if unknown. `read_val_losses` returns the `val_losses`.
    """

    number: int
    specification: TrialSpecification
    run_id: str
    val_loss: float = math.inf
    val_accuracy: float = 0.0
    verdict: str = ""
    reason: str = ""
    reused: bool = False
    stopped: bool = False
    curve: Sequence[tuple[int, float]] = ()
    test_accuracy: float = field(default=math.nan, compare=False)
    read_val_losses: Callable[[], np.ndarray | None] = field(default=lambda: None, compare=False, repr=False)

    @property
    def val_losses(self) -> np.ndarray | None:
        """The loss of each validation image at the best epoch, float32 `(images,)`, in the order of the split.

        Those of a reused trial are read from the server the first time. None for a stopped or failed trial, for a run
        of an earlier version, which has no such file, and while the server is unavailable.
        """
        return self.read_val_losses()

    @property
    def pruned(self) -> bool:
        """Return whether it was stopped because other trials did better."""
        return self.verdict == PRUNED

    @property
    def completed(self) -> bool:
        """True if the trial counts: it was trained to its end, or has failed before."""
        return bool(self.verdict) and not self.pruned

    @property
    def diverged(self) -> bool:
        """True if the losses diverged; such a trial is never the best."""
        return self.verdict == DIVERGED

    @property
    def objective(self) -> float:
        """Return the value to minimise: the best validation loss; large if it diverged, infinite if it failed."""
        if self.diverged:
            return DIVERGED_LOSS_FACTOR * self.specification.context.data.chance_loss
        return self.val_loss


def best_of(results: Sequence[TrialResult]) -> TrialResult | None:
    """Return the result with the lowest objective; None if every trial diverged, was stopped, or failed."""
    candidates = (result for result in results if result.completed and not (result.diverged or result.stopped))
    return min(candidates, key=lambda result: result.objective, default=None)


def reason_without_best(results: Sequence[TrialResult]) -> str:
    """Return the error of a study without a best trial: how many diverged, were pruned, and failed."""
    counts = {
        "diverged": sum(result.diverged for result in results),
        "pruned": sum(result.pruned for result in results),
        "failed": sum(not result.verdict for result in results),
    }
    listed = join_and([f"{count} {word}" for word, count in counts.items() if count])
    first_error = next((result.reason for result in results if result.reason), "")
    cause = f" ({first_error})" if first_error else ""
    trainings = f"none of the {len(results)} trainings trained" if len(results) > 1 else "the only training failed"
    sentence = f"{trainings}: {listed}{cause}"
    if not counts["diverged"]:
        return f"{sentence}."
    lowest = min(result.specification.settings.lr for result in results if result.diverged)
    return f"{sentence}; try learning rates below {format_setting(lowest)}."


def failure(number: int, specification: TrialSpecification, run_id: str, error: BaseException) -> TrialResult:
    """Return the result of a trial that failed with `error`."""
    return TrialResult(number, specification, run_id, reason=failure_description(error))


def failure_description(error: BaseException) -> str:
    """Return the name of an error and its message."""
    return redact_credentials(f"{type(error).__name__}: {error}")
