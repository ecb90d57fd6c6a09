"""Log the end of a trial to its run: a result, a stopped trial, or a failure."""

from __future__ import annotations

import platform

from lrstudy.server_names import (
    BEST_EPOCH,
    BEST_VAL_ACCURACY,
    BEST_VAL_LOSS,
    DESCRIPTION,
    HARDWARE,
    KEY,
    MACHINE,
    PRUNED_KEY,
    SEARCH,
    VERDICT,
)
from lrstudy.study.study_run import StudyRun
from lrstudy.study.trial_result import failure_description
from lrstudy.tracking.calls import DeleteTag
from lrstudy.tracking.server import truncate_tag
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.tracking.training_run import data_tables, log_final_metrics, log_result
from lrstudy.training.result import WorkerResult
from lrstudy.training.specification import TrialSpecification
from lrstudy.training.verdict import Verdict


def log_trial_end(
    study: StudyRun, run: TrackedRun, specification: TrialSpecification, outcome: WorkerResult | BaseException
) -> None:
    """Log how a trial ended, and end its run."""
    if isinstance(outcome, BaseException):
        run.log_tags({DESCRIPTION: truncate_tag(failure_description(outcome))})
        run.end("FAILED")
        return
    if outcome.machine and outcome.machine.name != platform.node():
        run.log_tags({MACHINE: outcome.machine.name, HARDWARE: outcome.machine.hardware})
    if outcome.result:
        # The copies are listed in the study's run.
        log_result(run, outcome.result, outcome.files, data_tables(specification.context.data.bad_images))
    elif outcome.stopped:
        _log_stopped(study, run, specification, outcome, outcome.stopped)
    run.end("FINISHED")


def _log_stopped(
    study: StudyRun, run: TrackedRun, specification: TrialSpecification, stopped: WorkerResult, verdict: Verdict
) -> None:
    """Log a stopped trial: without the key of a training, so that only the same study reuses it."""
    best, last = stopped.best, stopped.history[-1].epoch
    run.log_tags(
        {
            VERDICT: verdict.word,
            PRUNED_KEY: specification.key,
            SEARCH: study.identity,
            DESCRIPTION: f"**{verdict.word}**, stopped after epoch {last}: {verdict.reason}.",
        }
    )
    run.log_files(stopped.files)
    log_final_metrics(run, {BEST_VAL_LOSS: best.val_loss, BEST_VAL_ACCURACY: best.val_accuracy, BEST_EPOCH: best.epoch})
    run.outbox.enqueue(DeleteTag(run.run_id, KEY))
