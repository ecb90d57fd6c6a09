"""Parts of the data, kept or streamed."""

from itertools import chain
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from lrstudy.training.augmentation import AUGMENTATIONS
from lrstudy.training.data_splits import GPU_MEMORY_SHARE, DataSplit, InMemorySplit, Normalise, StoredSplit, load_split
from lrstudy.training.read_ahead import read_ahead


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_streamed_from_the_disk_gives_the_bits_of_one_kept_in_memory(
    channels: int, channels_last: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    images = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(50, 8, 8, channels))
    images[:] = random.integers(256, size=images.shape)
    labels = random.integers(5, size=50)
    rows = np.sort(random.permutation(50)[:30])
    normalise = Normalise((100.0, 120.0, 140.0)[:channels], (50.0, 60.0, 70.0)[:channels])
    kept = load_split(images, labels, rows, normalise, channels_last=channels_last)
    monkeypatch.setattr("lrstudy.training.data_splits.MAX_BYTES_IN_MEMORY", 0)
    streamed = load_split(images, labels, rows, normalise, channels_last=channels_last)
    assert isinstance(kept, InMemorySplit)
    assert isinstance(streamed, StoredSplit)
    some = torch.tensor([7, 3, 29, 3])
    for one, other in zip(kept.batch(some), streamed.batch(some), strict=True):
        assert torch.equal(one, other)
    inputs, found = kept.batch(some)
    expected = (images[rows[some]].astype(np.float64) - normalise.mean.numpy()) / normalise.std.numpy()
    assert np.allclose(inputs.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)
    assert found.tolist() == labels[rows[some]].tolist()
    assert len(kept) == len(streamed) == 30


NORMALISE = Normalise((100.0, 120.0, 140.0), (50.0, 60.0, 70.0))


@pytest.fixture
def images(tmp_path: Path) -> np.memmap:
    stored = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(50, 8, 8, 3))
    stored[:] = np.random.default_rng(0).integers(256, size=stored.shape)
    return stored


def some_rows(images: np.memmap, augmentation: str, gpu_memory: int | None) -> DataSplit:
    rows, labels = np.arange(3, 49, 2), np.arange(50) % 7
    changes = AUGMENTATIONS.get(augmentation)
    return load_split(
        images, labels, rows, NORMALISE, channels_last=True, augmentation=changes, gpu_memory=gpu_memory
    ).at_epoch(1, 2)


@pytest.mark.parametrize("augmentation", ["none", "standard", "trivial"])
@pytest.mark.parametrize("gpu_memory", [0, 2**20], ids=["read ahead", "on the device"])
def test_a_gpu_gets_the_bits_that_a_cpu_has(images: np.memmap, augmentation: str, gpu_memory: int) -> None:
    rows = torch.split(torch.randperm(23, generator=torch.Generator().manual_seed(3)), 5)
    on_gpu, on_cpu = (some_rows(images, augmentation, memory) for memory in (gpu_memory, None))
    batches = list(on_gpu.batches(rows))
    assert len(batches) == 5
    for batch, part in zip(batches, rows, strict=True):
        expected = on_cpu.batch(part)
        for ours in (batch, on_gpu.batch(part)):
            assert torch.equal(ours[0], expected[0])
            assert ours[0].stride() == expected[0].stride()
            assert torch.equal(ours[1], expected[1])


def test_images_are_kept_on_a_gpu_up_to_half_of_its_free_memory(images: np.memmap) -> None:
    size = 23 * 8 * 8 * 3
    assert GPU_MEMORY_SHARE == 0.5
    kept, streamed = some_rows(images, "none", 2 * size), some_rows(images, "none", 2 * size - 1)
    before = kept.batch(torch.arange(23))[0]
    images[:] = 0
    assert torch.equal(kept.batch(torch.arange(23))[0], before)
    black = (torch.zeros(3) - NORMALISE.mean) / NORMALISE.std
    for inputs, _ in streamed.batches([torch.arange(23)]):
        assert torch.equal(inputs, black[None, :, None, None].expand(23, 3, 8, 8))


def test_the_next_item_is_read_while_the_last_one_is_used() -> None:
    read = [Event() for _ in range(3)]

    def note(number: int) -> int:
        read[number].set()
        return -number

    contents = read_ahead(note, range(3))
    assert next(contents) == 0
    assert read[1].wait(30)
    assert not read[2].is_set()
    assert list(contents) == [-1, -2]


def test_an_error_while_reading_ahead_is_raised_where_its_item_is_used() -> None:
    contents = read_ahead(lambda number: 6 // number, chain([3, 2], [0], [1]))
    assert [next(contents), next(contents)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(contents)
