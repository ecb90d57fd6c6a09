"""Journals of calls that a server has not answered: sent later, damaged, full disks."""

import json
from pathlib import Path

import mlflow
import pytest

from lrstudy import cache_paths
from lrstudy.errors import NotSyncedError, TrackingError
from lrstudy.tracking import journal, sync
from lrstudy.tracking.calls import (
    DeleteDuplicateRuns,
    Log,
    from_json,
)
from lrstudy.tracking.claims import claim_lock
from lrstudy.tracking.failures import failure_reason
from outboxes import (
    check_complete_run,
    log_a_complete_run,
    loss,
    points,
    sending_to,
    wait_until_offline,
)
from servers import Front


def test_calls_to_a_server_that_never_returned_are_synced_later_by_one_process(front: Front, tmp_path: Path) -> None:
    with sending_to(front.url, seconds=0) as box:
        front.how = "close"
        log_a_complete_run(box, tmp_path)
        wait_until_offline(box)
    with pytest.raises(
        NotSyncedError, match=f"the tracking server {front.url} cannot be used .*: 15 log calls .* queued in"
    ):
        sync.sync_all()
    front.how = "pass on"
    (folder,) = journal.pending_journals()
    other = journal.Journal.open_existing(folder)
    assert other is not None
    (said,) = sync.sync_all()
    assert said.startswith(f"{folder}: in use by another process, which sends it")
    other.release()
    assert sync.sync_all() == [f"15 log calls sent to the tracking server {front.url}"]
    check_complete_run(tmp_path)
    assert sync.sync_all() == ["nothing to sync"]
    assert list(journal.journals_folder().iterdir()) == []


def test_no_run_is_taken_over_before_the_journals_of_dead_processes_are_sent(front: Front) -> None:
    with mlflow.start_run() as run, sending_to(front.url, seconds=0) as box:
        front.how = "close"
        box.enqueue(loss(run.info.run_id, 0))
        wait_until_offline(box)
        box.close(0)
        with pytest.raises(TrackingError, match=r"1 log call for it queued in .*") as raised, claim_lock():
            pytest.fail("a run could be taken over without what waits")
        assert failure_reason(raised.value) == "it closes connections"
        front.how = "pass on"
        with claim_lock():
            assert points(run.info.run_id, "loss") == [(0, 1.0)]
    assert journal.pending_journals() == []


def test_a_journal_with_a_torn_end_is_sent_up_to_there(front: Front, tmp_path: Path) -> None:
    with sending_to(front.url, seconds=0) as box, mlflow.start_run() as run:
        front.how = "close"
        for step in range(4):
            box.enqueue(loss(run.info.run_id, step))
        box.enqueue(Log(run.info.run_id, {}, {"last": "one"}))
        wait_until_offline(box)
        front.how = "pass on"
        box.close(0)
    (folder,) = journal.pending_journals()
    file = folder / journal.JOURNAL_FILE
    file.write_bytes(file.read_bytes()[:-40] + bytes(100))  # as a power failure can leave it
    assert sync.sync_all() == [f"4 log calls sent to the tracking server {front.url}"]
    assert points(run.info.run_id, "loss") == [(step, 1.0) for step in range(4)]


@pytest.mark.parametrize("line", [0, 2, 3])
def test_a_damaged_line_of_a_journal_is_reported_and_all_others_are_sent(
    front: Front, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with sending_to(front.url, seconds=0) as box, mlflow.start_run() as run:
        front.how = "close"
        for step in range(5):
            box.enqueue(loss(run.info.run_id, step))
        wait_until_offline(box)
        front.how = "pass on"
        box.close(0)
    (folder,) = journal.pending_journals()
    lines = (folder / journal.JOURNAL_FILE).read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    lines[line + 1] = lines[line + 1].replace(b"1.0", b"7.0")
    (folder / journal.JOURNAL_FILE).write_bytes(b"".join(lines))
    with claim_lock():  # as a training begins
        pass
    said = capsys.readouterr().err
    assert (
        f"1 line of {folder}.refused/{journal.JOURNAL_FILE} changed on the disk and cannot be sent; 4 of the 4" in said
    )
    assert points(run.info.run_id, "loss") == [(step, 1.0) for step in range(5) if step != line]
    assert sync.sync_all() == ["nothing to sync"]


def test_a_call_in_a_journal_of_an_earlier_version_can_be_read() -> None:
    fields = {"run": "a", "experiment": "0", "tags": {"process": "b"}, "start": 1}
    assert from_json({"call": "DiscardTwins", **fields}) == DeleteDuplicateRuns("a", "0", {"process": "b"}, 1)


def test_calls_that_the_server_rejects_later_are_kept_and_all_others_are_sent(front: Front, tmp_path: Path) -> None:
    with mlflow.start_run() as kept, sending_to(front.url, seconds=0) as box:
        front.how = "close"
        box.enqueue(Log("no_such_run", {}, {"a": "b"}))
        box.enqueue(loss(kept.info.run_id, 0))
        wait_until_offline(box)
        front.how = "pass on"
        box.close(0)
    with pytest.raises(NotSyncedError, match=r"rejects 1 of 2 log calls, kept in .*\.refused: .*no_such_run"):
        sync.sync_all()
    assert points(kept.info.run_id, "loss") == [(0, 1.0)]
    assert sync.sync_all() == ["nothing to sync"]


def test_calls_are_queued_in_memory_if_no_journal_can_be_written(
    front: Front, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache_paths.cache_folder().parent.mkdir(parents=True)
    cache_paths.cache_folder().write_text("a file where the folder should be")
    with sending_to(front.url) as box:
        front.how = "answer 500"
        log_a_complete_run(box, tmp_path)
        wait_until_offline(box)
        front.how = "pass on"
    check_complete_run(tmp_path)
    assert f"cannot write to {journal.journals_folder()} (" in capsys.readouterr().err


def test_a_full_disk_damages_no_journal_which_is_completed_when_there_is_space(
    front: Front, small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sending_to(front.url, seconds=0) as box:
        front.how = "close"
        (small_disk / "others").write_bytes(bytes(56 * 1024))
        for step in range(200):
            box.enqueue(Log("no_run", points=[("loss", 1.0, step, step)]))
        log_a_complete_run(box, tmp_path)
        wait_until_offline(box)
        (folder,) = journal.pending_journals()
        lines = (folder / journal.JOURNAL_FILE).read_text().splitlines()
        assert all(json.loads(line.rpartition(" ")[0]) for line in lines)
        assert "(No space left on device): log calls are queued in memory" in capsys.readouterr().err
        (small_disk / "others").unlink()
        sentence = box.close(0)
    assert sentence is not None
    assert "lost" not in sentence
    assert len(journal.read_journal(folder).calls) == 214
