"""The owners of runs, from real processes, alive and dead."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

from conftest import ROOT
from lrstudy.server_names import DATA_DIGEST, OWNER
from lrstudy.tracking import owner
from lrstudy.tracking.claims import fresh_candidate_runs, mark_abandoned
from lrstudy.tracking.owner import OwnerState
from preloaded_process import PreloadedProcess
from servers import Front

PRINT_THIS_PROCESS = "from lrstudy.tracking.owner import this_process; print(this_process(), flush=True); input()"


def other_process() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return PreloadedProcess(["-c", PRINT_THIS_PROCESS], cwd=ROOT / "src", stdin=pipe, stdout=pipe)


def test_a_process_is_alive_until_it_ends() -> None:
    with other_process() as process:
        assert process.stdout is not None
        name = process.stdout.readline()
        assert owner.owner_state(name) is OwnerState.ALIVE
        process.kill()
    assert owner.owner_state(name) is OwnerState.DEAD


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the ticks of a process's start")
@pytest.mark.parametrize("step", [-3600.0, 3600.0, 1e9])
def test_a_living_process_is_alive_after_the_clock_was_adjusted(step: float) -> None:
    with other_process() as process:
        assert process.stdout is not None
        tag = json.loads(process.stdout.readline())
        # The kernel computes the start from the present clock: what the tag says is off by the adjustment.
        name = json.dumps(tag | {"started": tag["started"] - step})
        assert owner.owner_state(name) is OwnerState.ALIVE
        process.kill()
    assert owner.owner_state(name) is OwnerState.DEAD


def test_a_process_of_another_time_namespace_is_not_known_to_be_dead() -> None:
    look = "import sys; from lrstudy.tracking import owner; print(owner.owner_state(sys.argv[1]).value)"
    command = [sys.executable, "-c", look, owner.this_process()]
    moved = ["unshare", "--time", "--fork", "--boottime", "100000", *command]
    if not shutil.which("unshare") or subprocess.run([*moved[:5], "true"], capture_output=True).returncode:
        pytest.skip("here no time namespace can be made")
    outside, inside = (
        subprocess.run(words, cwd=ROOT / "src", capture_output=True, text=True).stdout for words in (command, moved)
    )
    assert (outside, inside) == ("alive\n", "unknown\n")


def changed(**values: Any) -> str:
    return json.dumps(json.loads(owner.this_process()) | values)


def earlier_tag(**values: Any) -> str:
    """Return the tag of this process as versions without ticks wrote it."""
    return json.dumps(
        {key: value for key, value in json.loads(changed(**values)).items() if key not in ("ticks", "time")}
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (changed(), OwnerState.ALIVE),
        (changed(ticks=1), OwnerState.DEAD),  # another process that had the same number
        (changed(ticks=None, started=1.0), OwnerState.DEAD),
        (changed(ticks=None), OwnerState.ALIVE),
        (earlier_tag(), OwnerState.ALIVE),
        (earlier_tag(started=1.0), OwnerState.DEAD),
        pytest.param(
            changed(boot="an earlier start"),
            OwnerState.DEAD,
            marks=pytest.mark.skipif(not Path("/etc/machine-id").exists(), reason="this machine has no number"),
        ),
        (changed(node="another"), OwnerState.UNKNOWN),
        (changed(machine="one with the same name"), OwnerState.UNKNOWN),
        (changed(pids="another container's"), OwnerState.UNKNOWN),
        (changed(time="a namespace that counts from another boot"), OwnerState.UNKNOWN),
        (None, OwnerState.UNKNOWN),
        ("", OwnerState.UNKNOWN),
        ("[1]", OwnerState.UNKNOWN),
        ("{}", OwnerState.UNKNOWN),
        (changed(pid="one"), OwnerState.UNKNOWN),
    ],
)
def test_only_processes_of_this_machine_are_known_to_be_dead(name: str | None, found: OwnerState) -> None:
    assert owner.owner_state(name) is found


@pytest.mark.slow
@pytest.mark.parametrize(("ended", "status"), [(True, "FINISHED"), (False, "KILLED")])
def test_a_run_that_its_owner_ends_during_the_search_is_not_abandoned(front: Front, ended: bool, status: str) -> None:
    client, experiment = mlflow.MlflowClient(), os.environ["MLFLOW_EXPERIMENT_ID"]
    with other_process() as process:
        assert process.stdout is not None
        run_id = client.create_run(
            experiment, tags={OWNER: process.stdout.readline(), DATA_DIGEST: "images"}
        ).info.run_id

        def end() -> None:
            if ended:
                mlflow.MlflowClient(f"http://{front.behind}").set_terminated(run_id)
            process.kill()
            process.wait()

        front.until, front.meanwhile = b"runs/search", end
        mark_abandoned(client, experiment, "images")
    assert client.get_run(run_id).info.status == status


def test_the_duplicate_of_an_abandoned_run_is_deleted(tracking_uri: str) -> None:
    client, experiment = mlflow.MlflowClient(), os.environ["MLFLOW_EXPERIMENT_ID"]
    gone, other = changed(ticks=1), changed(ticks=2)
    made = [
        client.create_run(experiment, start_time=1_700_000_000_000 + later, tags={OWNER: whose, DATA_DIGEST: "images"})
        for whose, later in ((gone, 0), (gone, 0), (gone, 5), (other, 0))
    ]
    client.log_metric(made[0].info.run_id, "val_loss", 0.5)
    mark_abandoned(client, experiment, "images")
    left = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
    assert left == {run.info.run_id: "KILLED" for run in (made[0], made[2], made[3])}


def test_metrics_logged_after_the_search_are_read_if_the_owner_has_died(tracking_uri: str) -> None:
    client, experiment = mlflow.MlflowClient(), os.environ["MLFLOW_EXPERIMENT_ID"]
    with other_process() as process:
        assert process.stdout is not None
        run_id = client.create_run(experiment, tags={OWNER: process.stdout.readline()}).info.run_id
        found = client.search_runs([experiment])
        (while_it_lives,) = fresh_candidate_runs(client, found)
        client.log_metric(run_id, "val_loss", 0.5)
        process.kill()
    (afterwards,) = fresh_candidate_runs(client, found)
    assert (while_it_lives.is_interrupted, afterwards.is_interrupted) == (False, True)
    assert afterwards.run.data.metrics == {"val_loss": 0.5}
