"""Compare the time that a study says it will take with the time that it takes: `python benchmarks/estimates.py`.

Each study runs in an empty folder with a new tracking database. A ratio of 1 is a perfect estimate. The table also has
the time of the start, of the trainings, and of what follows them. Run it on an idle machine.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SOURCE = Path(__file__).parent.parent / "src"
UNITS = {"s": 1, "min": 60, "h": 3600}
STUDIES = {
    "grid": "grid.py",
    "grid, 3 epochs": "grid.py --epochs 3",
    "one training": "grid.py --optimizers adam --lrs 0.001",
    "cnn": "grid.py --model cnn --epochs 20",
    "photographs": "grid.py --data photos --model cnn --epochs 20 --batch-size 32 --optimizers sgd,adam",
    "search, 1 worker": "search.py --trials 4 --workers 1",
    "search, 2 workers": "search.py --trials 4 --workers 2",
    "many trainings": "search.py --optimizer sgd --trials 60 --epochs 10",
}


@dataclass(frozen=True)
class Timing:
    """The seconds that a study said it would take, and those of its start, its trainings and its end."""

    said: float
    start: float
    trainings: float
    end: float

    @property
    def taken(self) -> float:
        """The seconds from the start of the command to its end."""
        return self.start + self.trainings + self.end


def main() -> None:
    """Run all studies in turn and print the table."""
    print(f"{'study':20} {'said':>6} {'taken':>6} {'ratio':>6}   start, trainings, end")
    for name, command in STUDIES.items():
        timing = measure([*command.split(), *sys.argv[1:]])
        parts = f"{timing.start:.1f}, {timing.trainings:.1f}, {timing.end:.1f}"
        print(
            f"{name:20} {timing.said:6.0f} {timing.taken:6.1f} {timing.said / timing.taken:6.2f}   {parts}", flush=True
        )


def measure(command: list[str]) -> Timing:
    """Run a study to its end, and note when it prints its estimate and when its last training ends."""
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder, "photos"))
        places = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "XDG_CACHE_HOME": f"{folder}/cache"}
        arguments = [sys.executable, str(SOURCE / command[0]), *command[1:]]
        began = time.perf_counter()
        said, times = 0.0, {"start": began, "trainings": began}
        with subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**os.environ, **places, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            line = ""
            for line in process.stdout:
                if estimate := re.search(r": about ([\d.]+) (s|min|h) in all", line):
                    said, times["start"] = float(estimate[1]) * UNITS[estimate[2]], time.perf_counter()
                if re.match(r"\[\d+/\d+\]", line):
                    times["trainings"] = time.perf_counter()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed: {line}")
        end = time.perf_counter()
        return Timing(said, times["start"] - began, times["trainings"] - times["start"], end - times["trainings"])


def write_photographs(folder: Path) -> None:
    """Write 500 JPEG files of random content in five classes."""
    draw = np.random.default_rng(0)
    for number in range(500):
        file = folder / f"class {number % 5}" / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(file)


if __name__ == "__main__":
    main()
