"""Named data sets."""

import struct
from pathlib import Path

import numpy as np
import pytest

from image_folders import load
from lrstudy.data import SOURCES
from lrstudy.errors import DataError
from lrstudy.settings import TrainSettings


class TestNamedSets:
    def test_digits_are_scikit_learns(self) -> None:
        from sklearn.datasets import load_digits

        data = load("digits", size=0)
        assert data.images.shape == (1797, 8, 8, 1)
        assert np.array_equal(np.rint(data.images[..., 0] / 255 * 16), load_digits().images)
        assert [len(part) for part in (data.train, data.validation, data.test)] == [1257, 270, 270]

    def test_digits_are_scaled_on_request(self) -> None:
        small, large = load("digits", size=0), load("digits", size=32)
        assert large.images.shape == (1797, 32, 32, 1)
        means = [data.images.reshape(1797, -1).mean(axis=1) for data in (small, large)]
        assert np.corrcoef(*means)[0, 1] > 0.99

    @pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
    def test_idx_files_are_read_in_place(self, name: str, folder: str, tmp_path: Path) -> None:
        raw = tmp_path / "sets" / folder / "raw"
        raw.mkdir(parents=True)
        for part, count in (("train", 100), ("t10k", 20)):
            pixels = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
            labels = np.arange(count, dtype=np.uint8) % 10
            (raw / f"{part}-images-idx3-ubyte").write_bytes(
                struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes()
            )
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())
        data = load(name, size=0, root=tmp_path / "sets")
        assert data.images.shape == (120, 28, 28, 1)
        assert data.test.tolist() == list(range(100, 120))
        assert len(data.validation) == 15

    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
    def test_a_missing_and_unreachable_set_names_the_files_and_their_folder(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nothing listens
        with pytest.raises(DataError, match=rf"{tmp_path / 'sets'}.*put .*gz .*data_root") as rejected:
            load(name, root=tmp_path / "sets")
        assert "\n" not in str(rejected.value)
        assert set(SOURCES) == {"digits", "mnist", "fashion-mnist", "cifar10"}


@pytest.mark.parametrize("name", SOURCES)
def test_the_setting_data_mentions_every_named_set(name: str) -> None:
    assert f"{name}, " in str(TrainSettings.model_fields["data"].description)
