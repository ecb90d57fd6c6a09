"""A study from its settings to its end: a worker runs the preflight, Optuna proposes, workers train, MLflow stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from lrstudy.cli.interruption import InterruptionReport, report_interruption
from lrstudy.compat.mlflow_internals import source_tags
from lrstudy.process_times import import_seconds, seconds_since_start
from lrstudy.provenance import uncommitted_changes
from lrstudy.server_names import LARGER_BUDGET
from lrstudy.settings import StudySettings
from lrstudy.study.conclusion import Conclusion
from lrstudy.study.data_messages import print_warnings
from lrstudy.study.device_advice import advise_cpu
from lrstudy.study.display import StudyDisplay, describe_study
from lrstudy.study.estimate import StudyEstimate, estimate_study
from lrstudy.study.executors import gpu_slots, most_at_once, open_trial_workers, trainings_at_once
from lrstudy.study.finish_study import TrainedStudy, finish_study
from lrstudy.study.helper_worker import HelperWorker, WarmUpExecutor
from lrstudy.study.optuna_study import StudyFile, study_file
from lrstudy.study.pilot import PilotTrainings
from lrstudy.study.proposer import Proposer
from lrstudy.study.search import proposal_window
from lrstudy.study.study_identity import study_identity
from lrstudy.study.study_run import RunningStudy, StudyRun, open_study
from lrstudy.study.trial_runner import TrialRunner
from lrstudy.tracking.training_run import data_tables, log_tables
from lrstudy.training.gpu_use import describe_sharing
from lrstudy.training.specification import DataSummary, PreflightResult
from lrstudy.training_steps import print_steps

if TYPE_CHECKING:
    from lrstudy.cluster.executor import ClusterExecutor

Settings = TypeVar("Settings", bound=StudySettings)

# Logs the report on a study, given the id of its run, and that of a run that has the same report, if there is one.
Report = Callable[[str, str | None], None]

# One more trial than there are workers is submitted if trials are shorter than this, so that no worker waits for the
# next one. A longer trial in the queue would look on the server as if it were running.
SHORT_SECONDS = 5.0
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
) -> tuple[Settings, Conclusion]:
    """Train the missing trainings of a study; log and print the results; return its settings and the conclusion.

    Args:
        kind: `grid`, `search` or `decide`.
        settings: of the study.
        name: of the run of the study, without the data.
        helper: runs the preflight and saves models.
        propose: returns the proposer, given the complete settings, Optuna's file and the most trainings at a time.
        report: logs the report on the study once it has ended.
        complete: returns the settings with those that a pilot has to show; by default as they are.

    Raises:
        LearningRateStudyError: the study cannot begin, cannot continue, or every trial failed.
    """
    preflight = _wait_for_preflight(helper)
    start_seconds = seconds_since_start()
    most = most_at_once(settings, preflight, helper.cluster)
    identity = study_identity(kind, settings, preflight.context, proposal_window(most))
    with (
        study_file(settings.study_file, identity) as file,
        open_study(kind, f"{name} {preflight.context.data.name}", settings, preflight.context, identity) as study,
        open_trial_workers(settings, preflight, helper.cluster) as workers,
        report_interruption(lambda: NOTHING_TRAINED) as kept,
    ):
        print(*filter(None, [advise_cpu(settings, preflight), study.experiment_line]), sep="\n", flush=True)
        running = RunningStudy(settings, preflight, study, workers)
        settings = complete(settings, PilotTrainings(running))
        proposer = propose(settings, file, most)
        expected = _print_beginning(settings, preflight, proposer, helper.cluster)
        _report_data(study, settings, preflight.context.data)
        trained = _train(replace(running, settings=settings), helper, proposer, expected, kept)
        kept.describe = lambda: ALL_TRAINED
        finished = finish_study(trained, helper, file, start_seconds)
    report(study.run.run_id, finished.reported_run)
    return settings, finished.conclusion


def _wait_for_preflight(helper: HelperWorker) -> PreflightResult:
    """Return the result of the preflight; do meanwhile what takes a moment and is cached."""
    import_seconds()
    source_tags()
    uncommitted_changes()
    return helper.preflight()


def _print_beginning(
    settings: StudySettings, preflight: PreflightResult, proposer: Proposer, cluster: ClusterExecutor | None
) -> StudyEstimate:
    """Print the data, the trainings and the machines of a study; return how long it takes."""
    concurrency = trainings_at_once(settings, preflight, cluster)
    expected = estimate_study(settings, preflight, proposer.planned, concurrency)
    print(describe_study(preflight, expected, proposer.planned, settings.epochs, concurrency), flush=True)
    if cluster:
        print(cluster.describe(), flush=True)
    elif preflight.gpu_use:
        print(describe_sharing(preflight.gpu_use, gpu_slots(settings, preflight)), flush=True)
    return expected


def _report_data(study: StudyRun, settings: StudySettings, data: DataSummary) -> None:
    """Print the steps per training and the warnings about the data, and log its tables."""
    print_steps(data.split_sizes["train"], settings.batch_size, settings.epochs)
    print_warnings(data)
    log_tables(study.run, data_tables(data.bad_images, data.duplicates))


def _train(
    running: RunningStudy,
    helper: HelperWorker,
    proposer: Proposer,
    expected: StudyEstimate,
    kept: InterruptionReport,
) -> TrainedStudy:
    """Run the trials of a study, and display them."""
    epochs, preflight, workers = running.settings.epochs, running.preflight, running.workers
    short = epochs * preflight.epoch_seconds < SHORT_SECONDS
    executor = WarmUpExecutor(workers.executor, helper)
    with StudyDisplay(proposer, epochs, expected) as display:
        runner = TrialRunner(proposer, preflight, running.study, executor, lambda: workers.count() + short, display)
        kept.describe = runner.describe_progress
        results = runner.run(workers.channel)
    remarks = proposer.finish()
    if proposer.larger_budget:
        running.study.run.log_tags({LARGER_BUDGET: proposer.larger_budget})
    return TrainedStudy(running, runner, results, remarks)
