"""The end of a study: its results are printed, and the best model, the figures and the summary are logged."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from lrstudy.data import SOURCES
from lrstudy.errors import LearningRateStudyError
from lrstudy.formatting import pluralize, setting_error
from lrstudy.process_times import seconds_since_start
from lrstudy.redaction import first_line
from lrstudy.server_names import (
    BEST_RUN,
    BEST_VAL_ACCURACY,
    BEST_VAL_LOSS,
    DESCRIPTION,
    REPORT_SECONDS,
    TIME,
    VERDICT,
)
from lrstudy.settings import StudySettings
from lrstudy.statistics.sentences import evidence
from lrstudy.study import worker_tasks
from lrstudy.study.best_artifacts import WAITING_FOR_ARTIFACTS, log_best_artifacts
from lrstudy.study.conclusion import Conclusion, conclude
from lrstudy.study.display import result_table
from lrstudy.study.helper_worker import HelperWorker
from lrstudy.study.next_steps import Winner, print_next_steps
from lrstudy.study.optuna_study import ARTIFACT, StudyFile
from lrstudy.study.retried_task import RetriedTask
from lrstudy.study.study_identity import repeated_studies
from lrstudy.study.study_run import RunningStudy, StudyRun, log_best, log_best_curves
from lrstudy.study.trial_result import TrialResult, best_of, reason_without_best
from lrstudy.study.trial_runner import TrialRunner
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.tracking.server import truncate_tag

# The width of the table of results where it is not printed to a terminal.
PIPE_WIDTH = 120


@dataclass(frozen=True)
class TrainedStudy:
    """A study whose trainings have ended: their results, and the proposer's remarks on them."""

    running: RunningStudy
    runner: TrialRunner
    results: Sequence[TrialResult]
    remarks: Sequence[str]

    @property
    def has_new_trainings(self) -> bool:
        """True unless all results are those of earlier studies."""
        return any(not result.reused for result in self.results)


@dataclass(frozen=True)
class FinishedStudy:
    """The conclusion from a study, and the run of an earlier study with the same report; None if there is none."""

    conclusion: Conclusion
    reported_run: str | None


def finish_study(trained: TrainedStudy, helper: HelperWorker, file: StudyFile, start_seconds: float) -> FinishedStudy:
    """Print and log the results of a study, and the artifacts of its best training.

    Args:
        trained: the study.
        helper: saves models.
        file: Optuna's.
        start_seconds: from the start of the command until its preflight had ended.

    Raises:
        LearningRateStudyError: every trial failed.
    """
    settings, study, preflight = trained.running.settings, trained.running.study, trained.running.preflight
    conclusion, sentences = _print_results(settings, trained.results, trained.remarks)
    best = conclusion.representative or _best(trained.results)
    with _optional_artifacts():
        _log_artifacts(trained, best, conclusion, helper)
    repeated = [] if trained.has_new_trainings else repeated_studies(study, settings)
    if not repeated:
        study.run.log_files({ARTIFACT: file.path.read_bytes()})
    late = [*trained.runner.remarks, *_changes(trained, helper)]
    _print_lines(late)
    reported = next((run.info.run_id for run in repeated if REPORT_SECONDS in run.data.metrics), None)
    sentences = [*preflight.context.data.warnings, *sentences, *late]
    if reported:
        sentences.append(f"The report is that of run {reported}, which this study repeats.")
    start = {"start": start_seconds, "data": preflight.data_seconds}
    seconds = start | trained.runner.seconds | {"total": seconds_since_start()}
    _log_end(study, best, seconds, _description(trained.results, best, conclusion, sentences))
    return FinishedStudy(conclusion, reported)


def _log_artifacts(trained: TrainedStudy, best: TrialResult, conclusion: Conclusion, helper: HelperWorker) -> None:
    """Log the figures and the model of the best training, or of all; print the commands that use the model."""
    running, run = trained.running, trained.running.study.run
    if trained.has_new_trainings:
        print(WAITING_FOR_ARTIFACTS, flush=True)
    whole = [result for result in trained.results if result.completed and not result.stopped]
    chosen = whole if running.settings.log_models == "all" else [best]
    log_best_artifacts(run, chosen, helper, running.workers.executor, trained.runner.best)
    print_next_steps(run, _winner(best, conclusion), running.settings.register)
    log_best_curves(running.study, best.run_id)


def _print_results(
    settings: StudySettings, results: Sequence[TrialResult], remarks: Sequence[str]
) -> tuple[Conclusion, list[str]]:
    """Print the table of the results, the answer from them, and remarks; return the conclusion and all sentences.

    Where nothing learned, remarks on the best learning rate are left out: the lowest loss is lowest by chance.
    """
    conclusion = conclude(results, settings.delta, settings.confidence)
    sentences = [*conclusion.sentences, *(remarks if conclusion.best_label else [])]
    # A file or a pipe has no width.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(result_table(results, conclusion))
    _print_lines([f"{conclusion.headline}.", *sentences])
    return conclusion, sentences


def _winner(best: TrialResult, conclusion: Conclusion) -> Winner:
    sure = evidence(conclusion.answer)[0] if conclusion.answer else conclusion.headline
    return Winner(best.specification, best.run_id, conclusion.headline, sure)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(line, flush=True)


@contextmanager
def _optional_artifacts() -> Iterator[None]:
    """Print why figures or models cannot be made, and continue: the study is complete without them."""
    try:
        yield
    except Exception as error:
        if is_transient(error):
            reason = (
                f"the tracking server cannot be used ({failure_reason(error)}); when it is back, the same command "
                "makes them"
            )
        elif isinstance(error, BrokenExecutor | OSError):  # a worker that died at every try, or a full disk
            reason = f"{failure_reason(error)}; the same command makes them"
        else:
            reason = f"{type(error).__name__}: {first_line(error)}"
        print(f"warning: some figures or models could not be made: {reason}", file=sys.stderr)


def _changes(trained: TrainedStudy, helper: HelperWorker) -> list[str]:
    """Return a sentence if the images changed while trainings ran; a named data set does not change."""
    if not trained.has_new_trainings:
        return []
    settings, data = trained.results[0].specification.settings, trained.running.preflight.context.data
    if settings.data in SOURCES:
        return []
    local = helper.executor if helper.cluster else trained.running.workers.executor
    try:
        return RetriedTask(local, worker_tasks.data_changes, settings, data.digest, data.files_state).result()
    except Exception as error:  # such as a worker that died at every try
        problem = f": whether the images have changed is not known: {first_line(error)}."
        return [setting_error("data", settings.data, problem)]


def _best(results: Sequence[TrialResult]) -> TrialResult:
    if best := best_of(results):
        return best
    raise LearningRateStudyError(reason_without_best(results))


def _description(
    results: Sequence[TrialResult], best: TrialResult, conclusion: Conclusion, sentences: Sequence[str]
) -> str:
    """Return the description of the study's run, in Markdown."""
    verdicts = Counter(trial.verdict or "failed" for trial in results)
    counts = ", ".join(f"{count} {word}" for word, count in verdicts.most_common())
    return (
        f"**{conclusion.headline}.** {pluralize(len(results), 'training')} ({counts}); the model and the scores are "
        f"those of {best.specification.name}: a validation loss of "
        f"{best.val_loss:.4g} and an accuracy of {best.val_accuracy:.1%}.\n"
        + "".join(f"\n- {sentence}" for sentence in sentences)
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
