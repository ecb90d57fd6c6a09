"""Parts of the data, kept or streamed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lrstudy.training.data_splits import InMemorySplit, Normalise, StoredSplit, load_split


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
