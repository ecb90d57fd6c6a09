"""GPUs that the trainings of a study share; none is needed for these tests."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

import gpu_tasks
from lrstudy.crash_safe_pool import WorkerDied
from lrstudy.settings import GridSettings, TrainSettings
from lrstudy.settings.training import OptimizerChoice
from lrstudy.study.executors import most_at_once, trainings_at_once
from lrstudy.study.gpu_errors import CrowdedGpuError, GpuError, GpuFailedError, GpuMemoryError, gpu_errors
from lrstudy.study.gpu_pool import GpuPool
from lrstudy.study.pinned_settings import pin_settings
from lrstudy.study.retried_task import may_retry
from lrstudy.training.gpu_use import (
    Gpu,
    GpuUse,
    bytes_per_training,
    chosen_gpus,
    describe_sharing,
    most_trainings,
    share_gpus,
)
from lrstudy.training.specification import PreflightResult
from made_trials import CONTEXT

GIB = 2**30
MakeGpuPool = Callable[[Mapping[str, int]], GpuPool]
H100 = Gpu("cuda:0", "H100", 40 * GIB)


def gpus(*free: float) -> tuple[Gpu, ...]:
    return tuple(Gpu(f"cuda:{index}", "H100", int(gib * GIB)) for index, gib in enumerate(free))


@pytest.mark.parametrize(
    ("free", "needs", "workers", "processes", "shares"),
    [
        ((40.0,), 1.0, None, 16, {"cuda:0": 16}),  # a process for each core
        ((40.0,), 4.0, None, 16, {"cuda:0": 8}),  # four fifths of the memory
        ((40.0,), 100.0, None, 16, {"cuda:0": 1}),
        ((40.0, 40.0), 1.0, None, 16, {"cuda:0": 8, "cuda:1": 8}),
        ((40.0, 10.0), 4.0, None, 16, {"cuda:0": 8, "cuda:1": 2}),
        ((40.0, 40.0, 40.0), 1.0, None, 2, {"cuda:0": 1, "cuda:1": 1, "cuda:2": 1}),
        ((40.0, 40.0), 1.0, 3, 16, {"cuda:0": 2, "cuda:1": 1}),
        ((40.0, 40.0), 1.0, 1, 16, {"cuda:0": 1}),
        ((1.0, 40.0), 4.0, None, 16, {"cuda:1": 8}),  # other programs have filled the first one
        ((1.0, 40.0), 4.0, 2, 16, {"cuda:1": 2}),
        ((1.0, 2.0), 4.0, None, 16, {"cuda:1": 1}),
        ((2.0,), 1.0, 9, 2, {"cuda:0": 9}),  # as the user says
    ],
)
def test_trainings_share_gpus_as_their_memory_and_the_cores_allow(
    free: tuple[float, ...], needs: float, workers: int | None, processes: int, shares: dict[str, int]
) -> None:
    use = GpuUse(gpus(*free), int(needs * GIB))
    assert share_gpus(use, workers, processes) == shares
    assert sum(shares.values()) <= most_trainings(len(free), workers, processes)


def test_cuda_is_every_gpu_of_one_model_and_a_number_is_that_one() -> None:
    found = [H100, Gpu("cuda:1", "T4", GIB), replace(H100, name="cuda:2")]
    for device in ("cuda", "auto"):
        assert [gpu.name for gpu in chosen_gpus(device, found)] == ["cuda:0", "cuda:2"]
    assert [gpu.name for gpu in chosen_gpus("cuda:1", found)] == ["cuda:1"]


def test_a_training_takes_its_tensors_its_context_and_later_copies_of_the_weights() -> None:
    assert bytes_per_training(peak=100, context=20, weights=7) == 141
    assert bytes_per_training(peak=0, context=50 * GIB, weights=0) == GIB  # most of it is another program's


def test_the_sharing_is_described_with_what_it_follows_from() -> None:
    assert describe_sharing(GpuUse((H100,), 4 * GIB), {"cuda:0": 8}) == (
        "GPU: H100; trainings at a time: 8 on cuda:0 with 40.0 GiB free; a training takes about 4.00 GiB"
    )


def test_proposals_do_not_depend_on_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrstudy.study.executors.usable_cores", lambda: 16)
    on_cpu = PreflightResult(CONTEXT, {}, data_seconds=1.0, epoch_seconds=2.0, fixed_seconds=1.0)
    context = replace(CONTEXT, device="cuda")
    small, large = (replace(on_cpu, context=context, gpu_use=GpuUse(gpus(free), GIB)) for free in (5, 80))
    settings = GridSettings()
    assert [trainings_at_once(settings, one, None) for one in (small, large, on_cpu)] == [4, 16, 16]
    assert [most_at_once(settings, one, None) for one in (small, large, on_cpu)] == [16, 16, 16]
    of_large_networks = replace(large, context=replace(context, threads=16))
    assert trainings_at_once(settings, of_large_networks, None) == 1
    assert trainings_at_once(GridSettings(workers=3), small, None) == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"), GpuMemoryError),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), GpuMemoryError),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), GpuError),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), GpuError),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError),
        (ValueError("CUDA"), ValueError),
    ],
)
def test_errors_of_a_gpu_are_told_from_others(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised, gpu_errors():
        raise error
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)


@pytest.fixture
def make_pool() -> Iterator[MakeGpuPool]:
    """Make pools with slots on GPUs, which are ended after the test."""
    pools = []

    def make(slots: Mapping[str, int]) -> GpuPool:
        pools.append(GpuPool(slots, multiprocessing.get_context("forkserver")))
        return pools[-1]

    yield make
    for pool in pools:
        pool.shutdown(cancel_futures=True)


def test_a_process_uses_one_gpu_as_long_as_it_lives(make_pool: MakeGpuPool) -> None:
    pool = make_pool({"cuda:0": 2, "cuda:1": 1})
    places = [future.result() for future in [pool.submit(gpu_tasks.place, TrainSettings()) for _ in range(30)]]
    assert {device for device, _ in places} == {"cuda:0", "cuda:1"}
    processes = {device: {pid for name, pid in places if name == device} for device in ("cuda:0", "cuda:1")}
    assert not processes["cuda:0"] & processes["cuda:1"]


def test_a_task_that_must_use_another_gpu_has_another_process(make_pool: MakeGpuPool) -> None:
    pool = make_pool({"cuda:0": 1, "cuda:1": 1})
    first = pool.submit(gpu_tasks.place, TrainSettings()).result()
    assert pool.submit(gpu_tasks.place, TrainSettings()).result() == first
    assert pool.slots.take(first[0]) == first[0]
    second = pool.submit(gpu_tasks.place, TrainSettings()).result()
    assert second[0] != first[0]
    assert second[1] != first[1]


def test_trainings_without_memory_are_retried_with_fewer_beside_them(make_pool: MakeGpuPool, tmp_path: Path) -> None:
    pool = make_pool({"cuda:0": 4})

    def submit(count: int) -> list[Future[gpu_tasks.Place]]:
        return [pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 2) for _ in range(count)]

    futures = submit(4)
    errors = [future.exception() for future in islice(as_completed(futures, timeout=60), 2)]
    (tmp_path / "end").touch()
    assert sorted(str(error) for error in errors) == ["CUDA out of memory; fewer trainings share cuda:0 now"] * 2
    assert all(isinstance(error, CrowdedGpuError) for error in errors)
    assert may_retry([error for error in errors if error] * 5)
    assert sum(future.exception() is None for future in futures) == 2
    assert pool.slots.total == 2
    assert [future.result()[0] for future in submit(6)] == ["cuda:0"] * 6


def test_a_training_that_lacks_memory_alone_fails_and_the_next_one_runs(make_pool: MakeGpuPool, tmp_path: Path) -> None:
    pool = make_pool({"cuda:0": 1})
    (tmp_path / "end").touch()
    with pytest.raises(GpuMemoryError):
        pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 0).result()
    assert pool.slots.total == 1
    assert pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 1).result()[0] == "cuda:0"


def test_a_gpu_without_memory_for_a_single_training_is_not_used_any_more(
    make_pool: MakeGpuPool, tmp_path: Path
) -> None:
    pool = make_pool({"cuda:0": 1, "cuda:1": 1})
    (tmp_path / "end").touch()
    with pytest.raises(CrowdedGpuError, match="CUDA out of memory; cuda:0 is not used any more"):
        pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 0).result()
    futures = [pool.submit(gpu_tasks.place, TrainSettings()) for _ in range(9)]
    assert {future.result()[0] for future in futures} == {"cuda:1"}
    with pytest.raises(GpuMemoryError):
        pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 0).result()
    assert pool.slots.total == 1


def test_a_process_whose_gpu_failed_is_replaced_and_its_training_retried(make_pool: MakeGpuPool) -> None:
    pool = make_pool({"cuda:0": 1})
    before = pool.submit(gpu_tasks.place, TrainSettings()).result()
    with pytest.raises(GpuFailedError, match="CUDA error on cuda:0") as failed:
        pool.submit(gpu_tasks.fail, TrainSettings()).result()
    assert may_retry([failed.value])
    assert pool.submit(gpu_tasks.place, TrainSettings()).result()[1] != before[1]


def test_a_worker_that_dies_leaves_its_gpu_to_fewer(make_pool: MakeGpuPool, tmp_path: Path) -> None:
    pool = make_pool({"cuda:0": 2})
    waiting = pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 1)
    while not (tmp_path / "0").exists():
        pass
    with pytest.raises(WorkerDied):
        pool.submit(os.abort).result()
    assert pool.slots.total == 1
    (tmp_path / "end").touch()
    waiting.result()


def test_a_pool_ends_though_tasks_wait_for_a_gpu(make_pool: MakeGpuPool, tmp_path: Path) -> None:
    pool = make_pool({"cuda:0": 3})
    futures = [pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 2) for _ in range(3)]
    next(as_completed(futures, timeout=60))
    futures += [pool.submit(gpu_tasks.train, TrainSettings(), tmp_path, 2) for _ in range(2)]
    pool.shutdown(cancel_futures=True)
    assert all(future.done() for future in futures)


def test_settings_among_the_arguments_are_pinned_and_named_tuples_stay_as_they_are() -> None:
    settings = TrainSettings(lr=0.5)
    own, listed, choice = pin_settings((settings, [settings], settings.choice), device="cuda:1")
    assert (own.device, own.lr, listed[0].device) == ("cuda:1", 0.5, "cuda:1")
    assert type(choice) is OptimizerChoice
    assert choice == settings.choice
