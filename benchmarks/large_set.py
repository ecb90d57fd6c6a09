"""Memory and speed on a set larger than memory: `python benchmarks/large_set.py [--images N] [--epochs E]`.

Makes a folder of N (300,000) colour images of 64×64 pixels, decodes it as a training would, passes over it in shuffled
batches of 256 as a training would, and prints the peak resident memory of this process, PyTorch included, and of the
largest process that it started. The folder and its cache, 5 GB for 300,000 images, are removed at the end.
"""

import argparse
import io
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

CLASSES, SIDE, BATCH = 10, 64, 256


def make(folder: Path, images: int) -> None:
    """Write `images` JPEGs, a share of them distinct, into ten class folders."""
    random = np.random.default_rng(0)
    different = []
    for _ in range(1000):
        file = io.BytesIO()
        coarse = Image.fromarray(random.integers(256, size=(8, 8, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE)).save(file, "JPEG", quality=80)
        different.append(file.getvalue())
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)
    for number in range(images):
        (folder / str(number % CLASSES) / f"{number:06}.jpg").write_bytes(different[number % len(different)])


def main() -> None:
    """Make the set, read all of it, and print memory and speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="where to make the set: a disk with 5 GB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        os.environ["XDG_CACHE_HOME"] = f"{scratch}/cache"
        make(Path(scratch, "images"), options.images)
        measure(Path(scratch, "images"), options.epochs)


def measure(folder: Path, epochs: int) -> None:
    """Decode the set and read all of it in this process, as a training does."""
    import torch

    from lrstudy.data import load
    from lrstudy.training.data_splits import Normalise, load_split

    print(f"resident after the imports: {_peak(resource.RUSAGE_SELF):.2f} GB")
    started = time.perf_counter()
    data = load(str(folder), data_root=None, image_size=0, fit="pad", bad_images="error", split_seed=0)
    print(f"listed, decoded, split: {len(data.labels)} images in {time.perf_counter() - started:.0f} s")
    print(f"resident at most by then: {_peak(resource.RUSAGE_SELF):.2f} GB")
    split = load_split(data.images, data.labels, data.train, Normalise(data.mean, data.std), channels_last=False)
    started = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(split)), BATCH):
            split.batch(rows)
    seconds = time.perf_counter() - started
    print(f"batches: {epochs * len(split) / seconds:.0f} images/s; the set is {data.images.nbytes / 1e9:.2f} GB")
    own, others = _peak(resource.RUSAGE_SELF), _peak(resource.RUSAGE_CHILDREN)
    print(f"peak resident: {own:.2f} GB, of a process it started {others:.2f} GB")


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
