"""A study from its settings to its end: a worker runs the preflight, Optuna proposes, workers train, MLflow stores."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console

from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.data import SOURCES
from lrstudy.errors import LearningRateStudyError
from lrstudy.formatting import pluralize, setting_error
from lrstudy.interruption import report_interruption
from lrstudy.provenance import uncommitted_changes
from lrstudy.redaction import first_line
from lrstudy.server_names import (
    BEST_RUN,
    BEST_VAL_ACCURACY,
    BEST_VAL_LOSS,
    DESCRIPTION,
    LARGER_BUDGET,
    REPORT_SECONDS,
    TIME,
    VERDICT,
)
from lrstudy.settings import StudySettings
from lrstudy.statistics.sentences import evidence
from lrstudy.study import worker_tasks
from lrstudy.study.best_artifacts import WAITING_FOR_ARTIFACTS, log_best_artifacts
from lrstudy.study.conclusion import Conclusion, conclude
from lrstudy.study.data_messages import print_warnings
from lrstudy.study.device_advice import advise_cpu
from lrstudy.study.display import StudyDisplay, describe_study, result_table
from lrstudy.study.estimate import estimate_study, seconds_since_start
from lrstudy.study.executors import gpu_slots, most_at_once, open_trial_workers, trainings_at_once
from lrstudy.study.helper_worker import HelperWorker, WarmUpExecutor
from lrstudy.study.next_steps import Winner, print_next_steps
from lrstudy.study.optuna_study import ARTIFACT, StudyFile, study_file
from lrstudy.study.pilot import PilotTrainings
from lrstudy.study.proposer import Proposer
from lrstudy.study.retried_task import RetriedTask
from lrstudy.study.search import proposal_window
from lrstudy.study.study_identity import repeated_studies, study_identity
from lrstudy.study.study_run import StudyRun, log_best, log_best_curves, open_study
from lrstudy.study.trial_result import TrialResult, best_of, reason_without_best
from lrstudy.study.trial_runner import TrialRunner
from lrstudy.tracking.failures import failure_reason, is_transient
from lrstudy.tracking.server import truncate_tag
from lrstudy.tracking.training_run import data_tables, log_tables
from lrstudy.training.gpu_use import describe_sharing
from lrstudy.training.specification import DataSummary, PreflightResult
from lrstudy.training_steps import print_steps

Settings = TypeVar("Settings", bound=StudySettings)

# Logs the report on a study, given the id of its run, and that of a run that has the same report, if there is one.
Report = Callable[[str, str | None], None]

# One more trial than there are workers is submitted if trials are shorter than this, so that no worker waits for the
# next one. A longer trial in the queue would look on the server as if it were running.
SHORT_SECONDS = 5.0
# The width of the table of results where it is not printed to a terminal.
PIPE_WIDTH = 120
# The reports on an interruption before and after the trainings of a study.
NOTHING_TRAINED = "no training had begun; the same command starts the study."
ALL_TRAINED = "all trainings are finished and kept; the same command adds the figures, the model and the summary."


def run_study(
    kind: str,
    settings: Settings,
    name: str,
    helper: HelperWorker,
    propose: Callable[[Settings, StudyFile, int], Proposer],
    report: Report,
    complete: Callable[[Settings, PilotTrainings], Settings] = lambda settings, _: settings,
) -> Conclusion:
    """Train the missing trainings of a study; log and print the results; return the conclusion from them.

    Args:
        kind: `grid`, `search` or `decide`.
        settings: of the study.
        name: of the run of the study, without the data.
        helper: runs the preflight and saves models.
        propose: returns the proposer, given the complete settings, Optuna's file and the most trainings at a time.
        report: logs the report on the study once it has ended.
        complete: returns the settings with what trainings of the study have to show first; by default as they are.

    Raises:
        LearningRateStudyError: the study cannot begin, cannot continue, or every trial failed.
    """
    # Both take a moment and are cached: the preflight is still running.
    source_tags()
    uncommitted_changes()
    preflight = helper.preflight()
    start_seconds = seconds_since_start()
    concurrency = trainings_at_once(settings, preflight, helper.cluster)
    most = most_at_once(settings, preflight, helper.cluster)
    identity = study_identity(kind, settings, preflight.context, proposal_window(most))
    with (
        study_file(settings.study_file, identity) as file,
        open_study(kind, f"{name} {preflight.context.data.name}", settings, preflight.context, identity) as study,
        open_trial_workers(settings, preflight, helper.cluster) as workers,
        report_interruption(lambda: NOTHING_TRAINED) as kept,
    ):
        executor, local = workers.executor, helper.executor if helper.cluster else workers.executor
        if advice := advise_cpu(settings, preflight):
            print(advice, flush=True)
        print(study.experiment_line, flush=True)
        settings = complete(settings, PilotTrainings(study, settings, preflight, workers))
        proposer = propose(settings, file, most)
        expected = estimate_study(settings, preflight, seconds_since_start(), proposer.planned, concurrency)
        print(describe_study(preflight, expected, proposer.planned, settings.epochs, concurrency), flush=True)
        if helper.cluster:
            print(helper.cluster.describe(), flush=True)
        elif preflight.gpu_use:
            print(describe_sharing(preflight.gpu_use, gpu_slots(settings, preflight)), flush=True)
        _report_data(study, settings, preflight.context.data)
        with StudyDisplay(proposer, settings.epochs, expected) as display:
            short = settings.epochs * preflight.epoch_seconds < SHORT_SECONDS
            warming_up = WarmUpExecutor(executor, helper)
            trials = TrialRunner(proposer, preflight, study, warming_up, lambda: workers.count() + short, display)
            kept.describe = trials.describe_progress
            results = trials.run(workers.channel)
        kept.describe = lambda: ALL_TRAINED
        trained = any(not trial.reused for trial in results)
        conclusion, sentences = _print_results(settings, results, proposer.finish())
        if proposer.larger_budget:
            study.run.log_tags({LARGER_BUDGET: proposer.larger_budget})
        best = conclusion.representative or _best(results)
        with _optional_artifacts():
            if trained:
                print(WAITING_FOR_ARTIFACTS, flush=True)
            ranked = (
                [trial for trial in results if trial.completed and not trial.stopped]
                if settings.log_models == "all"
                else [best]
            )
            log_best_artifacts(study.run, ranked, helper, executor, trials.best)
            print_next_steps(study.run, _winner(best, conclusion), settings.register)
            log_best_curves(study, best.run_id)
        repeated = [] if trained else repeated_studies(study, settings)
        if not repeated:
            study.run.log_files({ARTIFACT: file.path.read_bytes()})
        changes = _changes(local, results[0], preflight) if trained else []
        _print_lines([*trials.remarks, *changes])
        seconds = {
            "start": start_seconds,
            "data": preflight.data_seconds,
            **trials.seconds,
            "total": seconds_since_start(),
        }
        sentences = [*preflight.context.data.warnings, *sentences, *trials.remarks, *changes]
        reported = next((run.info.run_id for run in repeated if REPORT_SECONDS in run.data.metrics), None)
        if reported:
            sentences.append(f"The report is that of run {reported}, which this study repeats.")
        _log_end(study, best, seconds, _description(results, best, conclusion, sentences))
    report(study.run.run_id, reported)
    return conclusion


def _report_data(study: StudyRun, settings: StudySettings, data: DataSummary) -> None:
    """Print the steps per training and the warnings about the data, and log its tables."""
    print_steps(data.split_sizes["train"], settings.batch_size, settings.epochs)
    print_warnings(data)
    log_tables(study.run, data_tables(data.bad_images, data.duplicates))


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


def _changes(executor: Executor, trial: TrialResult, preflight: PreflightResult) -> list[str]:
    """Return a sentence if the images changed while the study ran; a named data set does not change."""
    settings, data = trial.specification.settings, preflight.context.data
    if settings.data in SOURCES:
        return []
    try:
        return RetriedTask(executor, worker_tasks.data_changes, settings, data.digest, data.files_state).result()
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
