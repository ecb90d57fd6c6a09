"""Studies on the workers of a real Dask scheduler, undisturbed and disturbed, compared with one machine."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client, Security

from cluster_tasks import wait_for_file, wait_for_stop
from clusters import IMPATIENT, SHORT, DaskCluster, children_of, dask_cluster, wait_until_empty, wait_until_gone
from conftest import ROOT
from lrstudy.settings import TrainSettings
from lrstudy.study.trial_job import TrialJob
from paused import EPOCHS, release, running_with_pauses, wait_for_pause
from studies import curves, finals, reference, run_script_anew, run_study, studies, trainings

# The code of paused trainings, for workers that otherwise have nothing of this project.
PAUSING = {"PYTHONPATH": str(ROOT / "tests")}
LONG = ("--hidden", "8", "--epochs", str(EPOCHS), "--optimizers", "sgd")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracking_uri")]


def check_equal_to_one_machine(epochs: int, lrs: Sequence[str], *data: str) -> None:
    """Check that each training was logged once, with the numbers of a training on one machine."""
    finished = {run.data.params["lr"]: run for run in trainings() if run.info.status == "FINISHED"}
    assert sorted(finished) == sorted(lrs)
    assert len(trainings()) == len(lrs)
    for lr, run in finished.items():
        alone = reference("--hidden", "8", "--epochs", str(epochs), *data, "--optimizer", "sgd", "--lr", lr)
        assert (run.data.tags["lrstudy.key"], curves(run), finals(run)) == tuple(alone)


def check_left_as_it_was(cluster: DaskCluster, security: Security | None = None) -> None:
    """Check that neither tasks nor processes nor files of a study are left on a cluster."""
    with Client(cluster.address, security=security, set_as_default=False) as client:
        assert not any(client.processing().values())
        assert not client.who_has()
    for number, worker in enumerate(cluster.workers):
        if worker.poll() is None:
            wait_until_gone(children_of(worker))
            wait_until_empty(cluster.folder / f"w{number}")


def test_a_grid_trains_over_tls_on_workers_that_have_nothing_of_this_project(tmp_path: Path) -> None:
    keys = Security.temporary()
    files = {"ca_file": keys.tls_ca_file, "cert": keys.tls_client_cert, "key": keys.tls_client_key}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    options = [f"--tls-{name.replace('_', '-')}={tmp_path / name}" for name in files]
    # The settings of Dask's own configuration.
    names = {"CA_FILE": "ca_file", "CLIENT__CERT": "cert", "CLIENT__KEY": "key"}
    variables = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(tmp_path / file) for name, file in names.items()}
    with dask_cluster(tmp_path / "cluster", 0, "--protocol", "tls", *options) as cluster:
        for _ in range(2):
            cluster.add_worker(*options)
        stranger = run_study("grid", *SHORT, "--cluster", cluster.address)
        assert stranger.returncode == 2
        assert f"error: cluster='{cluster.address}': no Dask scheduler answers (TLS expects" in stranger.stderr
        # In a new process, since Dask reads the environment when it is imported.
        outcome = run_script_anew("grid.py", *SHORT, "--cluster", cluster.address, **variables)
        assert outcome.returncode == 0, outcome.stderr
        assert f"cluster: {cluster.address}, 2 workers on 1 machine" in outcome.stdout
        security = Security(
            tls_ca_file=keys.tls_ca_file, tls_client_cert=keys.tls_client_cert, tls_client_key=keys.tls_client_key
        )
        check_left_as_it_was(cluster, security)
    check_equal_to_one_machine(2, ["0.1", "0.01"])
    (study,) = studies()
    assert study.info.status == "FINISHED"
    assert study.data.params["cluster"] == cluster.address


def test_trainings_survive_every_end_of_their_workers(tmp_path: Path) -> None:
    lrs = ["0.3", "0.1", "0.03", "0.01"]
    shared = tmp_path / "checkpoints"
    arguments = (*LONG, "--lrs", ",".join(lrs), "--checkpoints", str(shared))
    with (
        dask_cluster(tmp_path / "cluster", 4, **PAUSING, **IMPATIENT) as cluster,
        running_with_pauses("grid", *arguments, "--cluster", cluster.address) as driver,
    ):
        paused = {wait_for_pause(driver)}
        while len(paused) < len(lrs):
            paused.add(wait_for_pause(driver, others=paused))
        assert len(list(shared.glob("*.pt"))) == len(lrs)
        killed, ended, stopped, kept = cluster.workers
        children = [child for worker in (killed, ended, kept) for child in children_of(worker)]
        killed.send_signal(signal.SIGKILL)  # as a machine that loses its power
        ended.send_signal(signal.SIGTERM)  # as a batch system ends a job
        stopped.send_signal(signal.SIGSTOP)  # as a machine that hangs
        children_of(kept)[0].kill()  # as a machine that is out of memory
        wait_until_gone(children)
        # The last worker trains alone.
        wait_for_pause(driver, others=paused)
        release()
        stopped_children = children_of(stopped)
        _, errors = driver.communicate()
        assert driver.returncode == 0, errors
        assert errors.count("is retried") == len(lrs), errors
        assert "was killed by signal 9" in errors
        assert errors.count("was lost") == len(lrs) - 1
        stopped.send_signal(signal.SIGCONT)  # which finds that it was replaced
        wait_until_gone(stopped_children)
        check_left_as_it_was(cluster)
    check_equal_to_one_machine(EPOCHS, lrs)
    assert not list(shared.iterdir())


def test_a_study_survives_the_end_of_its_driver_and_of_its_scheduler(tmp_path: Path) -> None:
    arguments = (*LONG, "--checkpoints", str(tmp_path / "shared"), "--cluster")
    both = ("--lrs", "0.1,0.01")
    with dask_cluster(tmp_path / "cluster", 1, **PAUSING) as cluster:
        assert run_study("grid", "--lrs", "0.1", *arguments, cluster.address).returncode == 0
        with running_with_pauses("grid", *both, *arguments, cluster.address) as driver:
            killed = wait_for_pause(driver)
            driver.kill()
            wait_until_gone([psutil.Process(killed)])
        with running_with_pauses("grid", *both, *arguments, cluster.address) as driver:
            wait_for_pause(driver, others=[killed])
            driver.send_signal(signal.SIGINT)
            _, errors = driver.communicate()
            assert driver.returncode == 130
            assert errors.splitlines()[-1].startswith("interrupted: 1 of 2 trainings finished and kept, 1 will resume")
            assert "Traceback" not in errors
            check_left_as_it_was(cluster)
        with running_with_pauses("grid", *both, *arguments, cluster.address) as driver:
            cut = wait_for_pause(driver, 8)  # since its last checkpoint is that of epoch 5
            cluster.scheduler.kill()
            wait_until_gone([psutil.Process(cut)])
            _, errors = driver.communicate()
            assert driver.returncode == 2
            assert errors.splitlines()[-1].startswith("error: the connection to the Dask scheduler has ended; ")
            assert "Traceback" not in errors
    assert sorted(run.info.status for run in trainings()) == ["FINISHED", "KILLED"]
    with dask_cluster(tmp_path / "another cluster", 1) as cluster:
        outcome = run_study("grid", *both, *arguments, cluster.address)
        assert outcome.returncode == 0, outcome.stderr
    check_equal_to_one_machine(EPOCHS, ["0.1", "0.01"])


def test_a_training_that_holds_the_global_lock_does_not_end_its_worker(tmp_path: Path) -> None:
    Path("holding.py").write_text(
        "import ctypes\n"
        "from torch import nn\n"
        "class Holding(nn.Flatten):\n"
        "    holds = True\n"
        "    def forward(self, images):\n"
        "        if self.training and Holding.holds:\n"
        "            Holding.holds = False\n"
        "            ctypes.PyDLL(None).sleep(15)\n"
        "        return super().forward(images)\n"
        "def network(channels, side, classes):\n"
        "    return nn.Sequential(Holding(), nn.Linear(channels * side**2, classes))\n"
    )
    arguments = ("--model", "holding.py:network", "--epochs", "1", "--batch_size", "5000")
    with dask_cluster(tmp_path / "cluster", 1, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="6s") as cluster:
        outcome = run_study("grid", *arguments, "--optimizers", "sgd", "--lrs", "0.1", "--cluster", cluster.address)
        assert outcome.returncode == 0, outcome.stderr
        assert "is retried" not in outcome.stderr
    (run,) = trainings()
    assert run.info.status == "FINISHED"


def test_stop_requests_reach_tasks_and_a_worker_that_joins_takes_what_waits_and_nothing_that_runs(
    tmp_path: Path,
) -> None:
    from lrstudy.cluster.executor import ClusterExecutor

    settings = TrainSettings(hidden=(8,), epochs=1)
    stealing = {"DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING_INTERVAL": "50ms"}
    with (
        dask_cluster(tmp_path / "cluster", 1, **PAUSING, **stealing) as cluster,
        ThreadPoolExecutor(1) as local,
        ClusterExecutor(cluster.address) as executor,
    ):
        executor.begin(local, [settings], None)
        stopped = executor.submit(wait_for_stop, TrialJob(3, "run", "key", settings, Path()))
        while not (received := list(executor.progress.messages())):
            assert not stopped.done()
        assert [(number, epoch.epoch) for number, epoch in received] == [(3, 0)]
        executor.progress.request_stop(3, 12)
        assert stopped.result() == 12
        results = [executor.submit(wait_for_file, tmp_path, number) for number in range(2)]
        while not (started := list(tmp_path.glob("started *"))):
            assert not any(result.done() for result in results)
        cluster.add_worker()
        while len(list(tmp_path.glob("started *"))) < 2:
            assert not any(result.done() for result in results)
        (tmp_path / "end").touch()
        processes = [result.result() for result in results]
    assert [file.name for file in started] == [f"started 0.{processes[0]}"]
    assert sorted(file.name for file in tmp_path.glob("started *")) == [
        f"started {number}.{process}" for number, process in enumerate(processes)
    ]


def test_a_cluster_of_this_machine_needs_no_scheduler_and_leaves_no_process() -> None:
    outcome = run_study("grid", *SHORT, "--cluster", "local:2")
    assert outcome.returncode == 0, outcome.stderr
    assert "cluster: local:2, 2 workers on 1 machine" in outcome.stdout
    check_equal_to_one_machine(2, ["0.1", "0.01"])
    wait_until_gone([process for process in psutil.process_iter() if has_this_tests_cache(process)])


def has_this_tests_cache(process: psutil.Process) -> bool:
    """Return whether a process was started with the environment of this test."""
    with suppress(psutil.Error):
        return bool(process.environ().get("XDG_CACHE_HOME") == os.environ["XDG_CACHE_HOME"])
    return False


@pytest.fixture
def machines(pets: Path) -> Iterator[list[list[str]]]:
    """Two machines, in network namespaces of their own: the beginnings of the commands that run there.

    They have names and addresses, but not the folder `pets`.
    """
    made = []
    try:
        for number in (1, 2):
            name, link = f"lrstudy-{os.getpid()}-{number}", f"lr{os.getpid()}-{number}"
            made.append(name)
            try:
                for command in (
                    f"ip netns add {name}",
                    f"ip link add {link} type veth peer name eth0 netns {name}",
                    f"ip addr add 10.77.{number}.1/24 dev {link}",
                    f"ip link set {link} up",
                    f"ip -n {name} addr add 10.77.{number}.2/24 dev eth0",
                    f"ip -n {name} link set eth0 up",
                    f"ip -n {name} link set lo up",
                    f"ip -n {name} route add default via 10.77.{number}.1",
                ):
                    subprocess.run(command.split(), check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                pytest.skip(f"here no network namespace can be made: {error}")
        begin = f'mount -t tmpfs tmpfs "{pets}" && hostname "$1" && shift && exec "$@"'
        yield [
            ["ip", "netns", "exec", name, "unshare", "--uts", "--mount", "sh", "-c", begin, "sh", f"node{number}"]
            for number, name in enumerate(made, 1)
        ]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def test_a_machine_that_is_cut_off_loses_its_training_and_nothing_is_logged_twice(
    tmp_path: Path, pets: Path, machines: list[list[str]]
) -> None:
    data = ("--data", str(pets), "--image_size", "8")
    with dask_cluster(tmp_path / "cluster", 0, "--host", "10.77.1.1", **PAUSING, **IMPATIENT) as cluster:
        for number, prefix in enumerate(machines, 1):
            cache = {"XDG_CACHE_HOME": str(tmp_path / f"cache of node{number}")}
            cluster.add_worker("--host", f"10.77.{number}.2", prefix=prefix, **cache)
        with running_with_pauses("grid", *LONG, *data, "--lrs", "0.1,0.01", "--cluster", cluster.address) as driver:
            paused = {wait_for_pause(driver)}
            paused.add(wait_for_pause(driver, others=paused))
            cut_off = children_of(cluster.workers[0])
            link = f"lr{os.getpid()}-1"
            subprocess.run(["ip", "link", "set", link, "down"], check=True)
            # The training of node1 waits until that of node2 has ended.
            release()
            _, errors = driver.communicate()
            assert driver.returncode == 0, errors
            assert re.search(r"is retried: node1 \(tcp://10.77.1.2:\d+\) was lost", errors)
            subprocess.run(["ip", "link", "set", link, "up"], check=True)
            wait_until_gone(cut_off)
    check_equal_to_one_machine(EPOCHS, ["0.1", "0.01"], *data)
    assert [run.data.tags["lrstudy.machine"] for run in trainings()] == ["node2"] * 2
