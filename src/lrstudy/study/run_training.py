"""A single training from its settings to its end, from a process that imports MLflow but not PyTorch."""

from __future__ import annotations

import shlex
from concurrent.futures import BrokenExecutor
from itertools import chain, islice

import mlflow

from lrstudy.cli.interruption import report_interruption
from lrstudy.data import SOURCES
from lrstudy.errors import LearningRateStudyError
from lrstudy.formatting import pluralize
from lrstudy.redaction import redact_credentials
from lrstudy.settings import TrainSettings
from lrstudy.study import progress, worker_tasks
from lrstudy.study.best_artifacts import WAITING_FOR_ARTIFACTS, TrainedRun, log_figures_and_model
from lrstudy.study.data_messages import describe_data, print_warnings
from lrstudy.study.device_advice import advise_cpu
from lrstudy.study.kept_files import kept_on_failure
from lrstudy.study.next_steps import Winner, print_next_steps
from lrstudy.study.progress_channel import ProgressChannel
from lrstudy.study.retried_task import RetriedTask
from lrstudy.study.training_workers import TrainingWorkers
from lrstudy.study.trial_job import TrialJob
from lrstudy.tracking import server, training_run
from lrstudy.tracking.continuation import Continuation
from lrstudy.tracking.experiment import describe_experiment
from lrstudy.tracking.tracked_run import TrackedRun
from lrstudy.training.result import Result, WorkerResult
from lrstudy.training.specification import TrialSpecification
from lrstudy.training_steps import print_steps


def run_training(settings: TrainSettings, workers: TrainingWorkers, continuation: Continuation | None = None) -> None:
    """Train what `settings` describe, log it, and print its progress and its scores.

    Args:
        settings: of the training.
        workers: that train and save the model.
        continuation: the training of another run to continue; None for a new training.

    Raises:
        LearningRateStudyError: the training cannot begin, or cannot be completed.
    """
    server.prepare()
    training_run.claim_opened_run(settings)
    try:
        preflight = workers.preflight()
        specification = preflight.describe(settings)
        if continuation:
            continuation.check(specification)
        if advice := advise_cpu(settings, preflight):
            print(advice, flush=True)
        print(_beginning(specification), flush=True)
        print_steps(specification.context.data.split_sizes["train"], settings.batch_size, settings.epochs)
        print_warnings(specification.context.data)
        with (
            kept_on_failure() as files,
            training_run.open_run(specification) as run,
            report_interruption(lambda: _kept(run)),
        ):
            _print_experiment(run, settings.data)
            trained = _train(run, specification, workers, continuation)
            files |= trained.files
            changes = _log(run, specification, trained, workers)
            print("\n".join([_where_to_see(run), *changes]), flush=True)
            print_next_steps(run, _winner(specification, run, trained), settings.register)
    except BrokenExecutor as error:
        raise LearningRateStudyError(f"{error}; start the same training again to resume it.") from error


def _print_experiment(run: TrackedRun, data: str) -> None:
    def describe() -> str:
        experiment = run.client.get_run(run.run_id).info.experiment_id
        return f"{describe_experiment(run.client, experiment, data)}\n"

    print(run.outbox.query_or(describe, str), end="", flush=True)


def _kept(run: TrackedRun) -> str:
    return (
        f"run {run.run_id} is kept; the same command resumes it from its last checkpoint, or from the start if it was "
        "interrupted before the first one."
    )


def _train(
    run: TrackedRun, specification: TrialSpecification, workers: TrainingWorkers, continuation: Continuation | None
) -> WorkerResult:
    """Train in a worker; log each epoch and print its progress."""
    settings = specification.settings
    with ProgressChannel() as channel:
        job = TrialJob(0, run.run_id, specification.key, settings, channel.address)
        resumed = workers.checkpointed_epoch(job) if run.existing.resumable else -1
        if run.existing.resumable:
            print(_resumption(run, resumed), flush=True)
        if continuation and resumed < 0:
            print(continuation.describe(), flush=True)
            workers.begin_from(job, continuation.beginning)
            resumed = continuation.beginning.last_epoch
        training = workers.train(job, channel)
        epochs = iter(training)
        new_epochs = chain(islice(epochs, resumed + 1), progress.print_progress(epochs, settings.epochs))
        for _ in run.log_epochs(new_epochs):
            pass
        return training.result


def _log(
    run: TrackedRun, specification: TrialSpecification, trained: WorkerResult, workers: TrainingWorkers
) -> list[str]:
    """Log and print the result of a training, with its figures and its model; return remarks on its data."""
    result, data, settings = trained.result, specification.context.data, specification.settings
    assert result is not None  # noqa: S101 - only trials of a study are pruned
    changes: list[str] = []
    if settings.data not in SOURCES:
        changes = RetriedTask(
            workers.trainer, worker_tasks.data_changes, settings, data.digest, data.files_state
        ).result()
    tables = training_run.data_tables(data.bad_images, data.duplicates)
    training_run.log_result(run, result, trained.files, tables, [*data.warnings, *changes])
    remarks = [remark for remark in (result.causes_left_out, trained.left_out) if remark]
    print(_scores(specification, result), *remarks, WAITING_FOR_ARTIFACTS, sep="\n", flush=True)
    files = TrainedRun.of_worker(run, specification, trained)
    log_figures_and_model(files, workers.exporter, workers.trainer)
    return changes


def _winner(specification: TrialSpecification, run: TrackedRun, trained: WorkerResult) -> Winner:
    verdict = trained.result.verdict if trained.result else None
    return Winner(specification, run.run_id, f"{specification.title}: {verdict.word if verdict else ''}")


def _beginning(specification: TrialSpecification) -> str:
    """Return lines on the data and on the training."""
    settings, context = specification.settings, specification.context
    return (
        f"{describe_data(context.data)}"
        f"training: {settings.model} of {context.weights[settings.hidden]:,} weights, {specification.name}, "
        f"{pluralize(settings.epochs, 'epoch')}, on {context.device}, {pluralize(context.threads, 'thread')}"
    )


def _resumption(run: TrackedRun, epoch: int) -> str:
    """Return a line on where an interrupted training resumes."""
    if epoch < 0:
        return f"an earlier start was interrupted without a usable checkpoint: starting over, in run {run.run_id}"
    return f"an earlier start was interrupted: resuming after epoch {epoch}, in run {run.run_id}"


def describe_early_end(settings: TrainSettings, result: Result) -> str:
    """Return a line on a training that its patience ended before its last epoch; an empty text for any other."""
    last = result.history[-1]
    if not settings.patience or last.epoch >= settings.epochs or last.diverged:
        return ""
    waited = pluralize(settings.patience, "epoch")
    return f"stopped early, after epoch {last.epoch} of {settings.epochs}: no lower validation loss in {waited}\n"


def _scores(specification: TrialSpecification, result: Result) -> str:
    """Return lines on the early end, if any, the verdict and the scores."""
    parts = specification.context.data.split_sizes
    return (
        f"{describe_early_end(specification.settings, result)}"
        f"{specification.name}: {result.verdict.word}; {result.verdict.reason}.\n"
        f"validation: lowest loss {result.best.val_loss:.4g} at epoch {result.best.epoch}, "
        f"accuracy {result.best.val_accuracy:.1%} (n={parts['validation']})\n"
        f"held-out test: accuracy {result.test_accuracy:.1%} (n={parts['test']})"
    )


def _where_to_see(run: TrackedRun) -> str:
    uri = redact_credentials(mlflow.get_tracking_uri())
    command = f"open {uri}" if uri.startswith("http") else shlex.join(["mlflow", "ui", "--backend-store-uri", uri])
    return f"run {run.run_id}; to see it: {command}"
