"""The commands that train, from their command lines to their ends."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lrstudy.compat.interpreter import gc_paused
from lrstudy.study.fork_server import preload

if TYPE_CHECKING:
    from lrstudy.settings import StudySettings, TrainSettings
    from lrstudy.settings.training import BasicSettings
    from lrstudy.study.run_study import Report
    from lrstudy.tracking.continuation import Continuation

Settings = TypeVar("Settings", bound="BasicSettings")

# The exit code of a reproduction that differs.
DIFFERENT = 1


def run_train(arguments: list[str]) -> None:
    """Run the training of a command line; resume it if an earlier start was interrupted."""
    # The fork server imports PyTorch while this process imports MLflow.
    preload("lrstudy.study.preloaded_torch")
    with gc_paused():
        from lrstudy.cli.command_line import parse
        from lrstudy.settings import TrainSettings

        typed = parse(TrainSettings, arguments)
        continuation = _continuation(typed)
        settings = _with_place(continuation.settings if continuation else typed)

        # After the settings, since these imports take seconds and an invalid setting should be reported at once.
        from lrstudy.study.training_workers import TrainingWorkers
    with TrainingWorkers(settings) as workers:
        with gc_paused():
            from lrstudy.study.run_training import run_training
        run_training(settings, workers, continuation)


def _continuation(settings: TrainSettings) -> Continuation | None:
    """Return the training of another run to continue; None for a new training."""
    from lrstudy.settings.training import NO_RUN

    if settings.continue_from == NO_RUN:
        return None
    from lrstudy.tracking.continuation import read_continuation

    return read_continuation(settings)


def run_reproduce(arguments: list[str]) -> None:
    """Train a run of the server again; exit with code 1 if its data, a loss or the weights differ."""
    with gc_paused():
        from lrstudy.cli.command_line import parse
        from lrstudy.settings import ReproduceSettings

        settings = parse(ReproduceSettings, arguments)

        # After the settings, since these imports take seconds and an invalid setting should be reported at once.
        from lrstudy.cli.interruption import report_interruption
        from lrstudy.study.progress import print_progress
        from lrstudy.tracking.reproduction import reproduce

    kept = f"run {settings.run_id} is unchanged, and nothing of its repetition is kept; the same command starts again."
    with report_interruption(lambda: kept):
        identical = reproduce(settings.run_id, print_progress).identical
    if not identical:
        sys.exit(DIFFERENT)


def run_predict(arguments: list[str]) -> None:
    """Write the classes of images, as a trained network predicts them."""
    with gc_paused():
        from lrstudy.cli.command_line import parse
        from lrstudy.settings import PredictSettings

        settings = parse(PredictSettings, arguments)

        # After the settings, since these imports take seconds and an invalid setting should be reported at once.
        from lrstudy.cli.interruption import report_interruption
        from lrstudy.prediction.command import predict

    with report_interruption(lambda: "nothing is written; the same command starts again."):
        predict(settings)


def run_grid(arguments: list[str], report: Report) -> None:
    """Train the grid that the command line describes; `report` logs the report on it."""
    _run("grid", arguments, report)


def run_search(arguments: list[str], report: Report) -> None:
    """Run the search that the command line describes, and report on it as `run_grid` does."""
    _run("search", arguments, report)


def run_decide(arguments: list[str], report: Report) -> None:
    """Decide within the budget that the command line gives, and report on it as `run_grid` does."""
    preload()
    with gc_paused():
        from lrstudy.settings import DecideSettings

        settings = _parse(DecideSettings, arguments)

        # After the settings, since these imports take seconds and an invalid setting should be reported at once.
        from lrstudy.study.executors import open_cluster
        from lrstudy.study.helper_worker import HelperWorker
    checkpoints, examples = _use_checkpoints(settings), settings.with_steps_for(images=1000).examples()
    with (
        open_cluster(settings) as cluster,
        HelperWorker(examples, time_epochs=False, cluster=cluster, checkpoints=checkpoints) as helper,
    ):
        with gc_paused():
            from lrstudy.server_names import DECISION
            from lrstudy.study.run_decision import run_decision

            _check_opened_run(DECISION, settings)
        run_decision(settings, helper, report)


def _parse(kind: type[Settings], arguments: list[str]) -> Settings:
    """Return the settings of a command line, with the places of its data; choose the experiment by the data."""
    from lrstudy.cli.command_line import parse

    return _with_place(parse(kind, arguments))


def _with_place(settings: Settings) -> Settings:
    from lrstudy.data import check_name, locate
    from lrstudy.tracking.experiment_name import choose_experiment
    from lrstudy.user_files import written_path

    check_name(settings.data)
    root = settings.data_root if settings.data_root == "auto" else str(written_path(settings.data_root))
    located = settings.model_copy(update={"data": locate(settings.data), "data_root": root})
    choose_experiment(located.data)
    return located


def _use_checkpoints(settings: StudySettings) -> Path | None:
    """Let this process and its workers keep checkpoints in the folder that the settings name; return it, if any.

    Raises:
        SettingsError: it cannot be written.
    """
    from lrstudy import cache_paths
    from lrstudy.errors import SettingsError
    from lrstudy.formatting import setting_error
    from lrstudy.user_files import written_path

    if settings.checkpoints == "auto":
        return None
    folder = written_path(settings.checkpoints)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})."
        raise SettingsError(setting_error("checkpoints", settings.checkpoints, problem)) from None
    os.environ[cache_paths.CHECKPOINTS] = str(folder)
    return folder


def _check_opened_run(kind: str, settings: StudySettings) -> None:
    """Raise OtherRunError if the environment names a run that a study must not log to."""
    from lrstudy.tracking.opened_run import check_opened_run
    from lrstudy.tracking.server import connected_client

    with connected_client() as client:
        check_opened_run(client, kind, settings)


def _run(kind: str, arguments: list[str], report: Report) -> None:
    # The fork server imports PyTorch while this process imports its own modules.
    preload()
    with gc_paused():
        from lrstudy.settings import GridSettings, SearchSettings

        settings = _parse(GridSettings, arguments) if kind == "grid" else _parse(SearchSettings, arguments)

        # After the settings, since these imports take seconds and an invalid setting should be reported at once.
        from lrstudy.study.executors import open_cluster
        from lrstudy.study.helper_worker import HelperWorker
    trainings = settings.cells() if isinstance(settings, GridSettings) else settings.examples()
    checkpoints = _use_checkpoints(settings)
    with (
        open_cluster(settings) as cluster,
        HelperWorker(trainings, time_epochs=True, cluster=cluster, checkpoints=checkpoints) as helper,
    ):
        with gc_paused():
            from lrstudy.study.grid import Grid
            from lrstudy.study.run_study import run_study
            from lrstudy.study.search import Search

            _check_opened_run(kind, settings)

        if isinstance(settings, GridSettings):
            run_study(kind, settings, f"grid {settings.size}", helper, lambda grid, file, _: Grid(grid, file), report)
        else:
            run_study(kind, settings, f"search {settings.optimizer} {settings.trials}", helper, Search, report)
