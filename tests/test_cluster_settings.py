"""Settings of a cluster, and the code, data and files that are sent to it."""

import asyncio
import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from image_folders import load
from lrstudy import user_code
from lrstudy.cli.command_line import parse
from lrstudy.cluster.checks import MachineRefusedError, compare_devices, compare_versions
from lrstudy.cluster.machines import DeviceReport, MachineReport, read_inputs
from lrstudy.cluster.pinning import StudyRuntime, choose_runtime, pin
from lrstudy.cluster.shipped import agent_function, package_archive
from lrstudy.cluster.workers import ClusterWorker
from lrstudy.crash_safe_pool import WorkerDied
from lrstudy.data import received
from lrstudy.errors import SettingsError
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.study.retried_task import MAX_LOST_WORKERS, WorkerLost, may_retry


@pytest.mark.parametrize("address", ["none", "local:4", "tcp://node-1.a:8786", "tls://10.0.0.1:8786", "node:8786"])
def test_addresses_of_schedulers_are_accepted(address: str) -> None:
    assert parse(GridSettings, ["--cluster", address]).cluster == address


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("local:0", "cluster='local:0' must be local: and a number of workers, such as local:4."),
        ("local", "cluster='local' must be the address of a Dask scheduler, such as tcp://host:8786, or local:N."),
        ("tcp://node", "cluster='tcp://node' must be the address of a Dask scheduler"),
        ("", "cluster='' must be the address"),
    ],
)
def test_other_addresses_are_rejected(address: str, problem: str) -> None:
    with pytest.raises(SettingsError) as rejected:
        parse(GridSettings, ["--cluster", address])
    assert str(rejected.value).startswith(problem)


def test_an_agents_function_survives_pickling_on_the_way_and_runs_without_this_package() -> None:
    function = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(agent_function("write_chunk")))))
    assert type(function).__module__ == "lrstudy.cluster.agent"
    assert type(function) is not type(agent_function("write_chunk"))  # a copy, made from the source
    for offset, content in ((0, b"abc"), (3, b"de")):
        function("written", offset, content)
    assert Path("written").read_bytes() == b"abcde"


def test_the_archive_holds_the_package_and_no_bytecode() -> None:
    names = zipfile.ZipFile(io.BytesIO(package_archive())).namelist()
    assert {"lrstudy/__init__.py", "lrstudy/cluster/child.py"} <= set(names)
    assert not [name for name in names if not name.startswith("lrstudy/") or name.endswith(".pyc")]


def test_versions_that_differ_are_named() -> None:
    ours = {"python": "3.11.7", "torch": "2.15.0", "pillow": "13.0.0"}
    compare_versions(ours | {"other": "1"}, ours)
    with pytest.raises(MachineRefusedError, match=r"^torch 2\.14\.0 there and 2\.15\.0 here and pillow missing"):
        compare_versions({"python": "3.11.7", "torch": "2.14.0", "pillow": ""}, ours)


def report(**devices: str) -> MachineReport:
    """Return the report of a machine whose devices compute with these precisions; without one, they have a problem."""
    reports = {name: DeviceReport(text, "", name, "" if text else f"no {name}") for name, text in devices.items()}
    return MachineReport("digest", "", reports, "", True, {})


async def worker(threads: int, **devices: str) -> ClusterWorker:
    return replace(ClusterWorker("tcp://somewhere:1"), threads=threads, report=report(**devices))


@pytest.mark.parametrize(
    ("machines", "device"),
    [
        ([{"cuda": "tf32", "cpu": "fp32"}, {"cuda": "tf32", "cpu": "fp32"}], "cuda"),
        ([{"cuda": "tf32", "cpu": "fp32"}, {"cpu": "fp32"}], "cpu"),
        ([{"cpu": "fp32"}], "cpu"),
    ],
)
def test_the_device_is_a_gpu_if_every_machine_has_one(machines: list[dict[str, str]], device: str) -> None:
    async def workers() -> list[ClusterWorker]:
        return [await worker(8 * (number + 1), **devices) for number, devices in enumerate(machines)]

    found = asyncio.run(workers())
    runtime = choose_runtime(TrainSettings(), found)
    assert (runtime.device, runtime.threads) == (device, 1)
    # Without validation, which would import torchvision.
    assert choose_runtime(TrainSettings().model_copy(update={"model": "resnet18"}), found).threads == 8
    assert choose_runtime(TrainSettings(threads=3), found).threads == 3
    assert runtime.slots(8) == (1 if device == "cuda" else 8)


def test_machines_without_the_device_or_with_another_precision_are_refused() -> None:
    runtime = StudyRuntime("cuda", "fp32, convolutions in tf32", 1)
    assert compare_devices(report(cuda="fp32, convolutions in tf32"), runtime).processor == "cuda"
    with pytest.raises(MachineRefusedError, match="it has cpu, and the trainings run on cuda"):
        compare_devices(report(cpu="fp32"), runtime)
    with pytest.raises(MachineRefusedError, match=r"^no cuda$"):
        compare_devices(report(cuda=""), runtime)
    with pytest.raises(MachineRefusedError, match="computes in fp32 there"):
        compare_devices(report(cuda="fp32"), runtime)


def test_settings_among_a_tasks_arguments_get_the_runtime_of_the_study() -> None:
    runtime = StudyRuntime("cuda", "fp32", 2)
    settings = TrainSettings(lr=0.5)
    pinned, others = pin([settings, 3], runtime), pin((b"x", "y"), runtime)
    assert (pinned[0].device, pinned[0].threads, pinned[0].lr, pinned[1]) == ("cuda", 2, 0.5, 3)
    assert others == (b"x", "y")


def test_received_data_equal_those_that_were_sent(tmp_path: Path, pets: Path) -> None:
    for name, data in (("arrays", load("digits", size=0)), ("a folder", load(str(pets), size=8))):
        folder = tmp_path / name
        folder.mkdir()
        sent = received.prepare_to_send(data, folder)
        assert received.read(sent.digest) is None
        part = received.part_path(sent.pixels_digest, "sender")
        for offset, content in received.chunks(sent.pixels):
            agent_function("write_chunk")(str(part), offset, content)
        assert received.finish(part, sent) == ""
        there = received.read(sent.digest)
        assert there is not None
        assert np.array_equal(there.images, data.images)
        assert np.array_equal(there.labels, data.labels)
        assert np.array_equal(there.train, data.train)
        assert (there.digest, there.classes, there.mean, there.std) == (data.digest, data.classes, data.mean, data.std)


def test_data_that_arrive_damaged_are_not_kept(tmp_path: Path) -> None:
    sent = received.prepare_to_send(load("digits", size=0), tmp_path)
    part = received.part_path(sent.pixels_digest, "sender")
    part.write_bytes(b"damaged")
    assert received.finish(part, sent).startswith("the pixels arrived with the digest ")
    assert received.read(sent.digest) is None


def test_provided_files_replace_those_of_this_machine() -> None:
    reference = user_code.file_reference("model", "mine.py:network")
    assert reference is not None
    Path("mine.py").write_text("network = 1")
    assert reference.content == b"network = 1"
    user_code.provide_files({"mine.py:network": b"network = 2"})
    try:
        assert reference.load() == 2
    finally:
        user_code._provided.clear()
        user_code._read_once.cache_clear()


def test_a_machine_without_the_drivers_folder_uses_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.py").write_text("network = 3")
    inputs = read_inputs((TrainSettings(model="mine.py:network"),))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    reference = user_code.file_reference("model", "mine.py:network")
    assert reference is not None
    user_code.provide_files(inputs.files)
    try:
        assert reference.content == b"network = 3"
    finally:
        user_code._provided.clear()


def test_a_lost_worker_costs_a_retry_more_often_than_a_process_that_died() -> None:
    assert may_retry([WorkerDied(9)] * 2)
    assert not may_retry([WorkerDied(9)] * 3)
    assert may_retry([WorkerLost()] * (MAX_LOST_WORKERS - 1) + [WorkerDied(9)] * 2)
    assert not may_retry([WorkerLost()] * MAX_LOST_WORKERS)
