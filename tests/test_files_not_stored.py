"""Artifacts that cannot be stored although the tracking server answers: they wait, and nothing else waits for them."""

import math
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from lrstudy import cache_paths
from lrstudy.errors import LearningRateStudyError, NotSyncedError, SettingsError, TrackingError
from lrstudy.study.kept_files import kept_on_failure
from lrstudy.tracking import availability, journal, queued_calls, sync
from lrstudy.tracking.calls import CreateModel, EndModel, Log, LogFiles, LogModel, RemoveCheckpoint, SetStatus, local_id
from lrstudy.tracking.claims import claim_lock
from lrstudy.tracking.failures import is_rejection, is_transient
from lrstudy.tracking.outbox import Outbox
from servers import Fault, Front
from studies import curves, finals, run_study, trainings


@contextmanager
def sending_to(server: str) -> Iterator[Outbox]:
    box = Outbox(MlflowClient(server), server)
    box.start()
    yield box


def log_finished_run(box: Outbox, run_id: str) -> None:
    """Enqueue what ends a run: files, a model, the status."""
    for name in ("weights.pt", "history.csv"):
        folder = box.new_folder()
        (folder / name).write_text(f"{name} of {run_id}")
        box.enqueue(LogFiles(run_id, str(folder)))
    model, location = local_id(), local_id()
    box.enqueue(CreateModel(run_id, model, location))
    folder = box.new_folder()
    (folder / "MLmodel").write_text(f"model_id: {model}")
    box.enqueue(LogModel(model, str(folder), run_id))
    box.enqueue(EndModel(model, "READY", run_id))
    box.enqueue(Log(run_id, {}, {"logged": "after the files"}))
    box.enqueue(SetStatus(run_id, "FINISHED", 1_700_000_009_000))
    box.enqueue(RemoveCheckpoint(run_id))


def check_finished_run(run_id: str, folder: Path) -> None:
    run = MlflowClient().get_run(run_id)
    assert (run.info.status, run.data.tags["logged"]) == ("FINISHED", "after the files")
    for name in ("weights.pt", "history.csv"):
        assert Path(MlflowClient().download_artifacts(run_id, name, str(folder))).read_text() == f"{name} of {run_id}"
    (model,) = mlflow.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run_id}'", output_format="list"
    )
    assert str(model.status) == "READY"
    assert mlflow.artifacts.load_text(f"{model.artifact_location}/MLmodel") == f"model_id: {model.model_id}"


@pytest.fixture
def no_store(tmp_path: Path) -> Path:
    """The path of an artifact store, which cannot be written while a file is there."""
    path = tmp_path / "store"
    path.write_text("a file where the store should be")
    return path


def runs_in(server: str, store: Path) -> tuple[str, str]:
    """Create a run whose artifacts are stored in `store`, and another one; return their ids."""
    client = MlflowClient(server)
    broken = client.create_experiment("broken", store.as_uri())
    return (
        client.create_run(broken).info.run_id,
        client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"]).info.run_id,
    )


def test_a_store_that_cannot_be_written_blocks_no_other_run_and_no_start(
    tracking_uri: str, no_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck, other = runs_in(tracking_uri, no_store)
    with sending_to(tracking_uri) as box:
        log_finished_run(box, stuck)
        log_finished_run(box, other)
        assert box.flush(0)
        sentence = box.close(0)
    check_finished_run(other, tmp_path)
    assert MlflowClient().get_run(stuck).info.status == "RUNNING"
    assert MlflowClient().get_run(stuck).data.tags["logged"] == "after the files"
    (folder,) = journal.pending_journals()
    assert sentence is not None
    assert f"the artifacts of run {stuck} cannot be stored in {no_store.as_uri()}/{stuck}/artifacts (" in sentence
    assert str(folder) in sentence
    capsys.readouterr()

    for _ in range(2):
        with claim_lock():  # as any training on this server begins
            pass
    (reported,) = capsys.readouterr().err.splitlines()
    assert f"--discard {folder.name}` discards them" in reported
    (listed,) = queued_calls.describe_journals()
    assert listed.startswith(f"{folder.name}  6 log calls of run {stuck}, 0.0 MB, for {tracking_uri}")
    with pytest.raises(NotSyncedError, match=re.escape(str(no_store))):
        sync.sync_all()

    no_store.unlink()
    assert sync.sync_all() == [f"6 log calls sent to the tracking server {tracking_uri}"]
    check_finished_run(stuck, tmp_path)
    assert queued_calls.describe_journals() == ["nothing is queued"]


def test_runs_that_a_killed_process_left_together_are_sent_except_the_one_without_a_store(
    tracking_uri: str, no_store: Path, tmp_path: Path
) -> None:
    stuck, other = runs_in(tracking_uri, no_store)
    left = journal.Journal.create(tracking_uri, {})
    box = Outbox(MlflowClient(tracking_uri), tracking_uri)  # which never starts to send
    log_finished_run(box, stuck)
    log_finished_run(box, other)
    for call in box._sender.pending._calls:
        left.append(call)
    left.release()
    with pytest.raises(NotSyncedError, match=f"the artifacts of run {stuck} cannot be stored"):
        sync.sync_all()
    check_finished_run(other, tmp_path)
    (folder,) = journal.pending_journals()
    assert folder != left.folder
    with pytest.raises(
        SettingsError, match=rf"discard='none such' is not the id of queued calls; there is '{folder.name}'"
    ):
        queued_calls.discard("none such")
    assert queued_calls.discard(folder.name).startswith(f"discarded {folder.name}  6 log calls of run {stuck}")
    assert sync.sync_all() == ["nothing to sync"]


@pytest.mark.parametrize(
    ("file", "how"), [(r"weights\.pt", "answer 403"), (r"weights\.pt", "answer 200"), ("MLmodel", "answer 200")]
)
def test_files_that_a_proxy_does_not_let_through_are_stored_when_it_does(
    front: Front, tmp_path: Path, file: str, how: Fault
) -> None:
    with mlflow.start_run() as run, sending_to(front.url) as box:
        run_id = run.info.run_id
        front.only, front.how = f"PUT .*{file}", how
        log_finished_run(box, run_id)
        deadline = time.monotonic() + 30
        while not journal.pending_journals():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert not box.offline
        front.how = "pass on"
        assert box.flush(30)
        assert box.close(30) is None
    check_finished_run(run_id, tmp_path)
    assert journal.pending_journals() == []


def test_files_that_the_server_rejects_are_kept_and_their_run_has_failed(front: Front) -> None:
    with mlflow.start_run() as run, sending_to(front.url) as box:
        run_id = run.info.run_id
        front.only, front.how = r"PUT .*weights\.pt", "reject"
        log_finished_run(box, run_id)
        assert box.flush(30)
        sentence = box.close(30)
        front.how = "pass on"
        (folder,) = journal.journals_folder().glob("*.refused")
        assert sentence is not None
        assert (
            f"(PERMISSION_DENIED: this file is not for you); the server rejects them, and they are kept in {folder}"
            in sentence
        )
        assert [file.read_text() for file in folder.rglob("weights.pt")] == [f"weights.pt of {run_id}"]
        assert mlflow.get_run(run_id).info.status == "FAILED"
    assert sync.sync_all() == ["nothing to sync"]
    assert queued_calls.describe_journals()[0].startswith(folder.name)


def test_queued_calls_that_are_logged_again_are_discarded_unless_they_hold_more_than_files(tracking_uri: str) -> None:
    def queue(*calls: SetStatus | Log) -> None:
        left = journal.Journal.create(tracking_uri, {})
        for call in calls:
            left.append(call)
        left.release()

    queue(SetStatus("a", "FINISHED", 1))
    queue(Log("b", {}, {"a": "tag"}), SetStatus("b", "FINISHED", 1))
    queue(SetStatus("c", "FINISHED", 1), SetStatus("d", "FINISHED", 1))
    assert [queued_calls.discard_superseded(run) for run in "abcde"] == [True, False, False, False, True]
    assert len(journal.pending_journals()) == 2


@pytest.mark.parametrize("content", [b"", bytes(4096), b'{"server": "http://127.0.0.1:9", "own'])
def test_a_journal_without_a_beginning_is_set_aside_once(content: bytes) -> None:
    folder = journal.journals_folder() / "20260102-030405-6-789abcde"
    folder.mkdir(parents=True)
    (folder / journal.JOURNAL_FILE).write_bytes(content)
    with pytest.raises(
        NotSyncedError, match=rf"is empty or damaged, and cannot be sent: it is kept in {folder}.refused"
    ):
        sync.sync_all()
    assert sync.sync_all() == ["nothing to sync"]
    assert (folder.with_suffix(".refused") / journal.JOURNAL_FILE).read_bytes() == content


def test_queued_calls_on_a_read_only_disk_are_reported_and_block_no_start(
    small_disk: Path, tracking_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    left = journal.Journal.create(tracking_uri, {})
    left.append(SetStatus("a", "FINISHED", 1))
    left.release()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(NotSyncedError, match=r"cannot be read or written here \(Read-only file system\)"):
        sync.sync_all()
    for _ in range(2):
        with claim_lock():
            pass
    assert capsys.readouterr().err.count("Read-only file system") == 1
    assert not queued_calls.discard_superseded("a")
    with pytest.raises(SettingsError, match="cannot be deleted: Read-only file system"):
        queued_calls.discard(left.folder.name)


def test_the_pause_after_hours_of_failures_is_a_few_seconds() -> None:
    assert math.isfinite(availability.pause_seconds(100_000))
    assert availability.pause_seconds(100_000) <= availability.MAX_PAUSE_SECONDS


def test_errors_of_this_machine_are_neither_rejections_nor_an_absent_server() -> None:
    for error in (
        PermissionError(13, "Permission denied"),
        OSError(28, "No space left on device"),
        RuntimeError("died"),
    ):
        assert not is_transient(error)
        assert not is_rejection(error)
    assert is_transient(ConnectionResetError())


def test_a_study_trains_a_finished_run_without_its_files_again_and_reuses_the_others(tracking_uri: str) -> None:
    grid = ("--optimizers", "adam,sgd", "--lrs", "0.1", "--epochs", "1", "--hidden", "8")
    assert run_study("grid", *grid).returncode == 0
    with_files, without = sorted(trainings(), key=lambda run: run.info.run_name)
    weights = Path(without.info.artifact_uri.removeprefix("file://"), "weights.pt")
    content = weights.read_bytes()
    weights.unlink()
    again = run_study("grid", *grid)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("reused") == 1
    assert weights.read_bytes() == content
    assert [run.info.run_id for run in trainings()] == [run.info.run_id for run in (with_files, without)]
    for run in trainings():
        assert run.info.status == "FINISHED"
        assert [step for step, _ in curves(run)["val_loss"]] == [0, 1]
        assert all(len(values) == 1 for values in finals(run).values())


def fail_after_training(files: dict[str, bytes]) -> None:
    with kept_on_failure() as kept:
        kept |= files
        raise TrackingError("the run was deleted.")


def test_a_training_that_cannot_be_logged_keeps_its_weights(tmp_path: Path) -> None:
    sentence = r"^the run was deleted; the training itself has ended, and its weights are kept in (\S+)\.$"
    with pytest.raises(LearningRateStudyError) as raised:
        fail_after_training({"weights.pt": b"the weights"})
    (folder,) = re.findall(sentence, str(raised.value))
    assert Path(folder, "weights.pt").read_bytes() == b"the weights"
    assert Path(folder).is_relative_to(cache_paths.cache_folder())
    with pytest.raises(TrackingError, match=r"^the run was deleted\.$"):
        fail_after_training({})
