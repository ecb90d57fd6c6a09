"""A study from its settings to its end: a worker surveys, Optuna proposes, workers train, MLflow keeps."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol

import psutil
from rich.console import Console

from lrstudy.compat.interpreter import gc_paused
from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.errors import LearningRateStudyError
from lrstudy.formatting import pluralize
from lrstudy.hardware import usable_cores
from lrstudy.provenance import uncommitted_changes
from lrstudy.server_names import BEST_RUN, BEST_VAL_ACCURACY, BEST_VAL_LOSS, DESCRIPTION, TIME, VERDICT
from lrstudy.settings import StudySettings, parameters
from lrstudy.study import worker_tasks
from lrstudy.study.best_artifacts import log_best_artifacts
from lrstudy.study.display import StudyDisplay, estimate, table
from lrstudy.study.executors import open_executor
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.optuna_study import ARTIFACT, StudyFile, study_file
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.search import window
from lrstudy.study.study_run import StudyRun, log_best, open_study
from lrstudy.study.trial_result import TrialResult, best_of
from lrstudy.study.trial_runner import Proposer, TrialRunner
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.tracking.server import truncate_tag
from lrstudy.training.specification import StudyContext

# Of trials that are shorter, one more than run side by side is given to the workers, so that none waits for the next.
# Of longer ones it is not, since on the server it would look as if it were running.
SHORT_SECONDS = 5.0
# What changes how a study is run, or how far it goes, but not what it is.
NOT_OF_IDENTITY = {"workers", "log_models", "study_file", "trials", "seeds", "extend"}


class StudyProposer(Proposer, Protocol):
    """A proposer that may have something to say at the end."""

    def finish(self) -> list[str]:
        """Ends the proposing; sentences for the user."""


def run_study(
    kind: str,
    settings: StudySettings,
    name: str,
    office: HelperWorker,
    propose: Callable[[StudyFile, int], StudyProposer],
) -> None:
    """Trains what is missing of a study, and logs and prints what it came to.

    Args:
        kind: `grid` or `search`.
        settings: the study's.
        name: what a person reads in a list of runs, without the data.
        office: that surveys.
        propose: makes the proposer, given Optuna's file and the number of trainings at a time.

    Raises:
        LearningRateStudyError: it cannot begin, cannot go on, or every trial has failed.
    """
    with gc_paused():  # what takes a moment, while the worker surveys: version control, and matplotlib
        from lrstudy.plots import png  # noqa: F401 - for the end

        source_tags()
        uncommitted_changes()
    survey = office.preflight()
    start_seconds = _age()
    at_a_time = _at_a_time(settings, survey.context)
    identity = _identity(kind, settings, survey.context, window(at_a_time))
    with (
        study_file(settings.study_file, identity) as file,
        open_study(kind, f"{name} {survey.context.data.name}", settings, survey.context, identity) as study,
        open_executor(at_a_time) as executor,
    ):
        proposer = propose(file, at_a_time)
        print(estimate(survey, proposer.planned, settings.epochs, at_a_time), flush=True)
        with ProgressChannel() as mailbox, StudyDisplay(proposer, settings.epochs, survey, at_a_time) as display:
            short = settings.epochs * survey.epoch_seconds < SHORT_SECONDS
            trials = TrialRunner(proposer, survey, study, executor, at_a_time + short, display)
            done = trials.run(mailbox)
        looking = office.executor.submit(
            worker_tasks.data_changes, done[0].specification.settings, survey.context.data.digest
        )
        sentences = proposer.finish()
        best = _best(done)
        Console().print(table(done))
        print(*sentences, sep="\n", end="\n" if sentences else "", flush=True)
        shown = [one for one in done if one.ranks] if settings.log_models == "all" else [best]
        with _what_may_fail():
            log_best_artifacts(study.run, shown, office, executor, trials.best)
        with _what_may_fail():
            plots = executor.submit(worker_tasks.optuna_plots, file.path).result() if kind == "search" else {}
            study.run.log_files(plots)
        study.run.log_files({ARTIFACT: file.path.read_bytes()})
        changes = _changes(looking)
        print(*changes, sep="\n", end="\n" if changes else "", flush=True)
        seconds = {"start": start_seconds, "data": survey.data_seconds, **trials.seconds, "total": _age()}
        _log_end(study, best, seconds, _in_words(done, best, [*sentences, *changes]))


@contextmanager
def _what_may_fail() -> Iterator[None]:
    """For pictures and models: where they cannot be made, that is said, and the study is whole all the same."""
    try:
        yield
    except Exception as error:
        if is_transient(error):
            reason = (
                f"the tracking server cannot be used ({failure_reason(error)}); when it is back, the same command "
                "makes them"
            )
        else:
            reason = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
        print(f"not all pictures and models could be made: {reason}", file=sys.stderr)


def _changes(looking: Future[list[str]]) -> list[str]:
    """What a worker says of the images: they may have changed meanwhile."""
    try:
        return looking.result()
    except Exception as error:  # the worker died, for one
        return [f"whether the images have changed is not known: {type(error).__name__}."]


def _age() -> float:
    """Seconds since this process began."""
    return time.time() - psutil.Process().create_time()


def _at_a_time(settings: StudySettings, context: StudyContext) -> int:
    if settings.workers != "auto":
        return settings.workers
    return max(1, usable_cores() // context.threads) if context.device == "cpu" else 1


def _identity(kind: str, settings: StudySettings, context: StudyContext, search_window: int) -> str:
    """What tells studies apart that Optuna's file may not mix, and whose trials are not proposed alike."""
    of_study = {name: value for name, value in parameters(settings).items() if name not in NOT_OF_IDENTITY}
    parts = [
        kind,
        context.data.digest,
        context.device,
        context.threads,
        of_study,
        search_window if kind == "search" else 0,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _best(done: Sequence[TrialResult]) -> TrialResult:
    if best := best_of(done):
        return best
    reason = next((one.reason for one in done if one.reason), "they were pruned")
    raise LearningRateStudyError(f"none of the {len(done)} trainings has come to an end: {reason}.")


def _in_words(done: Sequence[TrialResult], best: TrialResult, sentences: Sequence[str]) -> str:
    """The description of the study's run, in Markdown."""
    verdicts = Counter(one.verdict or "failed" for one in done)
    counts = ", ".join(f"{count} {word}" for word, count in verdicts.most_common())
    return (
        f"Best of {pluralize(len(done), 'training')} ({counts}): **{best.specification.name}**, with a validation loss "
        f"of {best.val_loss:.4g} and an accuracy of {best.val_accuracy:.1%}.\n"
        + "".join(f"\n- {one}" for one in sentences)
    )


def _log_end(study: StudyRun, best: TrialResult, seconds: Mapping[str, float], description: str) -> None:
    metrics = {BEST_VAL_LOSS: best.val_loss, BEST_VAL_ACCURACY: best.val_accuracy}
    times = {f"{TIME}{name}_seconds": value for name, value in seconds.items()}
    tags = {
        BEST_RUN: best.run_id,
        VERDICT: best.verdict,
        DESCRIPTION: truncate_tag(description),
    }
    log_best(study, best.specification, metrics | times, tags)
