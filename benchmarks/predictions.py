"""The speed of predicting beside that of decoding alone: `python benchmarks/predictions.py --photos FOLDER`.

Trains a network on the photographs for one epoch. Then, in turn, `predict` classifies 10,000 photographs, those of the
folder linked again and again, and a program decodes them with the same code on all cores and keeps nothing. `predict`
also classifies a single one, which costs its start. Prints the median seconds from start to end and the CPU seconds of
each, and the speed of predicting as a share of that of decoding: by time, and by CPU time, which other programs on the
machine change less.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "src"))

SIDE = 64
ALONE, PREDICT, START = "decoding alone", "predict", "predict, of one"


class Cost(NamedTuple):
    """The seconds of a command from its start to its end, and its CPU seconds, those of its processes included."""

    wall: float
    cpu: float


def main() -> None:
    """Measure both commands in turn, and print the costs and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--decode", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        decode(options.photos)
        return
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = f"{scratch}/cache"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"
        images = link(options.photos.resolve(), Path(scratch, "images"), options.images)
        predict = [f"{PROJECT}/src/predict.py", f"--model={train(options.photos.resolve(), options.model, scratch)}"]
        commands = {
            ALONE: [__file__, "--decode", f"--photos={images}"],
            PREDICT: [*predict, f"--images={images}"],
            START: [*predict, f"--images={next(images.iterdir())}"],
        }
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(options.repeats):
            for name, command in commands.items():
                costs[name].append(cost(command, scratch))
        print_costs(costs, options.images)


def link(photos: Path, folder: Path, images: int) -> Path:
    """Return a folder with links to the photographs, again and again, until there are so many."""
    folder.mkdir()
    files = sorted(file for file in photos.rglob("*") if file.is_file())
    for number, file in enumerate(islice(cycle(files), images)):
        (folder / f"{number:06}{file.suffix}").symlink_to(file)
    return folder


def train(photos: Path, model: str, folder: str) -> str:
    """Train a network for one epoch, and return the id of its run."""
    options = [f"--data={photos}", f"--image_size={SIDE}", f"--model={model}", "--batch_size=8", "--epochs=1"]
    subprocess.run([sys.executable, f"{PROJECT}/src/train.py", *options], cwd=folder, check=True, capture_output=True)
    from mlflow import MlflowClient

    run_id: str = MlflowClient().search_runs(["0", "1"])[0].info.run_id
    return run_id


def decode(images: Path) -> None:
    """Decode all images of a folder as `predict` does."""
    from lrstudy.data.decoding import decoding_pool
    from lrstudy.data.image_format import ImageFormat
    from lrstudy.hardware import usable_cores
    from lrstudy.prediction.decode_files import decode_files

    files = sorted(file.name for file in images.iterdir())
    with decoding_pool(usable_cores()) as pool:
        decoded = sum(len(some) for some in decode_files(images, files, ImageFormat(SIDE, 3, "pad"), pool))
    assert decoded == len(files)


def cost(command: list[str], folder: str) -> Cost:
    """Run a Python command, and return what it costs."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=folder, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def print_costs(costs: dict[str, list[Cost]], images: int) -> None:
    """Print the medians of both commands, and of the ratios of the pairs."""
    for name, measured in costs.items():
        wall, cpu = (median(values) for values in zip(*measured, strict=True))
        speed = "" if name == START else f", {images / wall:.0f} images/s"
        print(f"{name:15} {wall:6.1f} s, {cpu:6.1f} CPU seconds{speed}")
    pairs = list(zip(costs[ALONE], costs[PREDICT], strict=True))
    by_time = median(alone.wall / predict.wall for alone, predict in pairs)
    by_cpu = median(alone.cpu / predict.cpu for alone, predict in pairs)
    print(f"speed of predict over that of decoding alone: {by_time:.2f} by time, {by_cpu:.2f} by CPU time")


if __name__ == "__main__":
    main()
