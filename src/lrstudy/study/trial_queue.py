"""The trials of a study that have not started yet: proposed ones, and those that another process runs."""

from __future__ import annotations

import math
import time
from collections import deque

from mlflow.entities import Run

from lrstudy.server_names import BEST_VAL_ACCURACY, BEST_VAL_LOSS, PRUNED_KEY, TEST_ACCURACY, VERDICT
from lrstudy.study.proposer import Proposer
from lrstudy.study.reused_losses import val_losses_reader
from lrstudy.study.running_trials import RunningTrial
from lrstudy.study.study_run import StudyRun
from lrstudy.study.time_spent import TimeSpent
from lrstudy.study.trial_claims import adopt_finished_run, claim
from lrstudy.study.trial_result import TrialResult
from lrstudy.tracking.claims import validation_curve
from lrstudy.training.specification import PreflightResult, TrialSpecification

# The server is asked that often about trainings that other processes run.
SECONDS_BETWEEN_QUERIES = 1.0


class TrialQueue:
    """The queue of trials: it claims their runs, reuses finished ones, and defers trials of other processes.

    The trials are numbered from `first_number` on.
    """

    def __init__(
        self,
        proposer: Proposer,
        preflight: PreflightResult,
        study: StudyRun,
        time_spent: TimeSpent,
        first_number: int = 0,
    ) -> None:
        self._proposer = proposer
        self._preflight = preflight
        self._study = study
        self._time_spent = time_spent
        self._proposed = first_number
        self._deferred: deque[tuple[int, TrialSpecification]] = deque()
        self._to_query = 0
        self._last_query = 0.0

    def __len__(self) -> int:
        """Return the number of deferred trials."""
        return len(self._deferred)

    def next(self, *, ignore_remote_owners: bool) -> RunningTrial | TrialResult | None:
        """Return the next trial to run, or the result of one whose run is finished; None if there is neither now.

        Args:
            ignore_remote_owners: do not wait for processes on other machines, which may be dead.
        """
        while (settings := self._proposer.propose()) is not None:
            number, self._proposed = self._proposed, self._proposed + 1
            if trial := self._claim(number, self._preflight.describe(settings), ignore_remote_owners=False):
                return trial
        return self._next_deferred(ignore_remote_owners)

    def _next_deferred(self, ignore_remote_owners: bool) -> RunningTrial | TrialResult | None:
        """Return a deferred trial that no other process runs any more; query each at most once per second or so."""
        if not self._to_query and time.monotonic() - self._last_query >= SECONDS_BETWEEN_QUERIES:
            self._to_query = len(self._deferred)
        while self._to_query:
            self._to_query -= 1
            trial = self._claim(*self._deferred.popleft(), ignore_remote_owners=ignore_remote_owners)
            self._last_query = time.monotonic()
            if trial:
                return trial
        return None

    def _claim(
        self, number: int, specification: TrialSpecification, *, ignore_remote_owners: bool
    ) -> RunningTrial | TrialResult | None:
        stops = self._proposer.stops
        with self._time_spent.tracking():
            claimed = claim(self._study, specification, stops=stops, ignore_remote_owners=ignore_remote_owners)
        if claimed is None:
            self._deferred.append((number, specification))
            return None
        if isinstance(claimed, Run):
            adopt_finished_run(self._study, claimed)
            return self._reused_result(number, specification, claimed)
        return RunningTrial(number, specification, claimed, last_logged=claimed.existing.last_epoch)

    def _reused_result(self, number: int, specification: TrialSpecification, run: Run) -> TrialResult:
        run_id, metrics, verdict = run.info.run_id, run.data.metrics, run.data.tags[VERDICT]
        outbox, client = self._study.run.outbox, self._study.run.client
        curve: list[tuple[int, float]] = []
        if self._proposer.needs_curves:  # While the server is away, the pruner does without.
            curve = outbox.query_or(lambda: validation_curve(client, run_id), list)
        scores = metrics[BEST_VAL_LOSS], metrics[BEST_VAL_ACCURACY]
        losses = val_losses_reader(self._study.run, run)
        return TrialResult(
            number,
            specification,
            run_id,
            *scores,
            verdict,
            reused=True,
            stopped=PRUNED_KEY in run.data.tags,
            curve=curve,
            test_accuracy=metrics.get(TEST_ACCURACY, math.nan),
            read_val_losses=losses,
        )
