"""The outbox against a real tracking database and a real server, which become unavailable and return."""

import os
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lrstudy import cache_paths
from lrstudy.tracking import journal, outbox, sync
from lrstudy.tracking.calls import (
    LOCAL,
    MAX_ITEMS_PER_CALL,
    CreateModel,
    CreateRun,
    EndModel,
    LinkCheckpoint,
    Log,
    LogModel,
    RemoveCheckpoint,
    local_id,
)
from lrstudy.tracking.server_lock import server_lock
from outboxes import (
    check_complete_run,
    folder_with_file,
    log_a_complete_run,
    loss,
    points,
    sending_to,
    wait_until_offline,
)
from servers import Front, How


@pytest.fixture
def run_id(tracking_uri: str) -> str:
    with mlflow.start_run() as run:
        return str(run.info.run_id)


def test_every_metric_is_logged_once_in_order(run_id: str) -> None:
    count = 2 * MAX_ITEMS_PER_CALL + 1
    with sending_to(mlflow.get_tracking_uri()) as box:
        for step in range(count):
            box.enqueue(loss(run_id, step, step / 7))
    assert points(run_id, "loss") == [(step, step / 7) for step in range(count)]


def test_metrics_reach_the_server_within_about_a_second_during_training(run_id: str) -> None:
    with sending_to(mlflow.get_tracking_uri()) as box:
        box.enqueue(loss(run_id, 0))
        deadline = time.monotonic() + 20
        while not points(run_id, "loss") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert points(run_id, "loss") == [(0, 1.0)]


def test_a_rejected_call_is_raised_by_the_next_one_and_all_others_are_sent(run_id: str) -> None:
    with sending_to(mlflow.get_tracking_uri()) as box:
        box.enqueue(Log("no such run", {}, {"a": "b"}))
        box.enqueue(loss(run_id, 0))
        with pytest.raises(MlflowException, match="no such run"):
            box.flush(1)
        with pytest.raises(MlflowException, match="no such run"):
            box.enqueue(loss(run_id, 1))
        box.enqueue(loss(run_id, 2), despite_rejections=True)
    assert points(run_id, "loss") == [(0, 1.0), (2, 1.0)]


def test_a_query_is_repeated_when_the_server_is_back(front: Front, capsys: pytest.CaptureFixture[str]) -> None:
    with mlflow.start_run() as run, sending_to(front.url) as box:
        client, run_id = MlflowClient(), run.info.run_id
        front.how = "lose first answers"
        assert box.query(lambda: client.get_run(run_id), 0).info.run_id == run_id
        assert not box.offline
        assert capsys.readouterr().err == ""
        front.how = "close"
        back = threading.Timer(1, setattr, (front, "how", "pass on"))
        back.start()
        assert box.query(lambda: client.get_run(run_id), 30).info.run_id == run_id
        assert not box.offline
        assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_unanswered_query_is_abandoned_and_a_rejected_one_is_not_repeated(front: Front) -> None:
    with sending_to(front.url) as box:
        client = MlflowClient()
        with pytest.raises(MlflowException, match="not found"):
            box.query_or(lambda: client.get_run("none"), lambda: pytest.fail("the server has answered"))
        assert not box.offline
        front.how = "close"
        with pytest.raises(MlflowException, match="Connection"):
            box.query(lambda: client.get_run("none"), 0.5)
        assert box.offline
        assert box.query_or(lambda: str(client.get_run("none")), lambda: "as it was") == "as it was"
        front.how = "pass on"


def test_a_query_that_alone_fails_is_abandoned_after_some_tries(front: Front) -> None:
    tries: list[int] = []
    with Front(front.behind).running() as broken, sending_to(front.url) as box:
        broken.how = "answer 500"

        def question() -> None:
            tries.append(1)
            MlflowClient(broken.url).get_run("none")

        with pytest.raises(MlflowException, match="500"):
            box.query(question, 30)
    assert len(tries) == outbox.MAX_TRIES


def test_no_journal_is_left_if_the_server_answers(front: Front, tmp_path: Path) -> None:
    with sending_to(front.url) as box:
        log_a_complete_run(box, tmp_path)
    check_complete_run(tmp_path)
    assert not journal.journals_folder().exists()


@pytest.mark.parametrize("how", ["answer 404", "answer 500", "close", "lose the answer", "hang"])
def test_calls_queued_while_the_server_is_away_are_sent_later_once(
    front: Front, tmp_path: Path, how: How, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with sending_to(front.url) as box:
        front.how = how
        log_a_complete_run(box, tmp_path)
        wait_until_offline(box)
        assert len(journal.pending_journals()) == 1
        front.how = "pass on"
        assert box.flush(20)
        assert journal.pending_journals() == []
    gone, back = capsys.readouterr().err.splitlines()
    check_complete_run(tmp_path)
    assert gone.startswith(f"the tracking server {front.url} cannot be used now (")
    assert back == f"the tracking server {front.url} can be used again; all queued log calls are sent"


def test_nothing_is_logged_twice_if_the_answer_to_every_call_is_lost(front: Front, tmp_path: Path) -> None:
    with sending_to(front.url) as box:
        front.answered.clear()
        front.how = "lose first answers"
        log_a_complete_run(box, tmp_path)
        assert box.flush(60)
        front.how = "pass on"
    assert {path.rpartition("/")[2] for _, path in front.answered} >= {"create", "log-batch", "outputs", "delete-tag"}
    check_complete_run(tmp_path)


def test_a_checkpoint_of_a_run_that_is_created_later_is_linked_to_it_or_removed_as_it_ends(front: Front) -> None:
    goes_on, has_ended = local_id(), local_id()
    cache_paths.checkpoint(goes_on).parent.mkdir(parents=True)
    cache_paths.checkpoint(has_ended).write_text("of no use")
    with sending_to(front.url, seconds=0) as box:
        front.how = "close"
        for local in (goes_on, has_ended):
            box.enqueue(CreateRun(local, os.environ["MLFLOW_EXPERIMENT_ID"], local[-8:], {"its": local[-8:]}, 1))
            box.enqueue(LinkCheckpoint(local, local.removeprefix(LOCAL)))
        box.enqueue(RemoveCheckpoint(has_ended))
        wait_until_offline(box)
    front.how = "pass on"
    sync.sync_all()
    found = mlflow.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]], output_format="list")
    runs = {run.info.run_name: run.info.run_id for run in found}
    assert len(runs) == 2
    cache_paths.checkpoint(goes_on).write_text("written by its first name")
    assert cache_paths.checkpoint(runs[goes_on[-8:]]).read_text() == "written by its first name"
    assert set(cache_paths.checkpoint("").parent.iterdir()) == {
        cache_paths.checkpoint(name) for name in (goes_on, runs[goes_on[-8:]])
    }
    cache_paths.remove_checkpoint(runs[goes_on[-8:]])
    assert list(cache_paths.checkpoint("").parent.iterdir()) == []


def test_a_run_has_one_model_however_often_it_is_created(front: Front) -> None:
    with mlflow.start_run() as run, sending_to(front.url) as box:
        for text, status in (("none", "FAILED"), ("half", "READY"), ("whole", "READY")):
            model, location = local_id(), local_id()
            box.enqueue(CreateModel(run.info.run_id, model, location))
            box.enqueue(LogModel(model, str(folder_with_file(box, "MLmodel", text))))
            box.enqueue(EndModel(model, status))
    (logged,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    assert str(logged.status) == "READY"
    assert mlflow.artifacts.load_text(f"{logged.artifact_location}/MLmodel") == "whole"


def test_a_duplicate_run_of_a_late_answer_is_deleted(front: Front) -> None:
    client, experiment = MlflowClient(f"http://{front.behind}"), os.environ["MLFLOW_EXPERIMENT_ID"]
    call = CreateRun(local_id(), experiment, "a trial", {"process": "this one"}, 1_700_000_000_000)
    other = client.create_run(experiment, start_time=call.start, tags={"process": "another"}).info.run_id
    with sending_to(front.url) as box:
        front.how = "close"
        thread = threading.Thread(target=lambda: made.append(box.create_run(call)))
        made: list[str] = []
        thread.start()
        wait_until_offline(box)
        front.how = "pass on"
        thread.join()
        if made == [call.run]:  # the server was away by then
            box.enqueue(call)
        assert box.flush(20)
        late = client.create_run(experiment, start_time=call.start, tags={**call.tags, "more": "later"}).info.run_id
        client.log_metric(late, "loss", 1.0)
        kept = box.server_id(made[0])
    runs = client.search_runs([experiment])
    assert {run.info.run_id for run in runs} == {other, kept}


def test_the_server_lock_is_skipped_where_no_lock_file_can_be_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with server_lock("claims", "a server"):
        (lock,) = (cache_paths.cache_folder() / "claims").iterdir()
    lock.unlink(missing_ok=True)
    lock.mkdir()  # no lock can be made there
    with server_lock("claims", "a server"):
        (other,) = (tmp_path / "temporary").iterdir()
        assert other.name.startswith("lrstudy-claims-")
    other.unlink(missing_ok=True)
    other.mkdir()
    with server_lock("claims", "a server"):
        pass


@pytest.mark.slow  # MLflow waits 20 s for a lock
def test_calls_to_a_locked_database_are_sent_later(
    run_id: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with sending_to(mlflow.get_tracking_uri()) as box, closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("begin exclusive")
        box.enqueue(Log(run_id, {}, {"a": "b"}))
        wait_until_offline(box)
        box.enqueue(loss(run_id, 0))
        other.rollback()
    assert mlflow.get_run(run_id).data.tags["a"] == "b"
    assert points(run_id, "loss") == [(0, 1.0)]
    gone, _ = capfd.readouterr().err.splitlines()
    assert "cannot be used now (database is locked): training continues; log calls are queued in" in gone
