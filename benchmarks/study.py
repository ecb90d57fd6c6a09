"""Compare the grid with scripts that do the same: `python benchmarks/study.py [--photos FOLDER] [--repeats N]`.

The commands run in turn, each in an empty folder with a new tracking database: (a) this project's grid, (b)
`plain_script.py`, written as in the documentation of PyTorch, MLflow and Optuna, and (c) `hand_tuned.py`. The script
prints the median wall times with their ratios, and the time of (a) by activity.

With `--photos`, they also run on a folder of class folders, at 64×64 pixels. There (b) decodes all photographs in every
epoch of every training: it runs for one epoch and for `--plain-epochs`, and its time is scaled to 50. (a) and (c)
decode them once; the cache of scaled images of (a) is empty at every start.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import matplotlib

HERE = Path(__file__).parent
GRID = HERE.parent / "src" / "grid.py"
EPOCHS = 50


@dataclass(frozen=True)
class Run:
    """One run of a command: its seconds, and for (a) the seconds by activity."""

    seconds: float
    parts: dict[str, float]


def main() -> None:
    """Run all three in turn and print their times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of class folders")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--plain-repeats", type=int, default=1, help="of (b), which takes a minute and more")
    parser.add_argument("--plain-epochs", type=int, default=2, help="of (b) on photographs")
    arguments = parser.parse_args()
    digits = {
        "a": [str(GRID)],
        "b": [str(HERE / "plain_script.py")],
        "c": [str(HERE / "hand_tuned.py")],
    }
    repeats = {"a": arguments.repeats, "b": arguments.plain_repeats, "c": arguments.repeats}
    report("digits", measure(digits, repeats))
    if arguments.photos:
        photos = ["--data", str(arguments.photos.resolve())]
        folder = {
            "a": [*digits["a"], *photos],
            "b": [*digits["b"], *photos, "--epochs", str(arguments.plain_epochs)],
            "c": [*digits["c"], *photos],
        }
        one_epoch = run([*digits["b"], *photos, "--epochs", "1"]).seconds
        report(arguments.photos.name, measure(folder, repeats), arguments.plain_epochs, one_epoch)


def measure(commands: dict[str, list[str]], repeats: dict[str, int]) -> dict[str, list[Run]]:
    """Run the commands in turn, each after a run that does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(max(repeats.values()) + 1):
        for name, command in commands.items():
            if turn == 0 and name == "b":
                continue  # Its first run takes long, and hardly longer than the next.
            if turn <= repeats[name]:
                timed = run(command)
                if turn:
                    runs[name].append(timed)
    return runs


def run(command: list[str]) -> Run:
    """Run a command in an empty folder, with a new database and an empty cache of scaled images."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        if "--data" in command:
            environment |= {"XDG_CACHE_HOME": f"{folder}/cache", "MPLCONFIGDIR": matplotlib.get_cachedir()}
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        seconds = time.perf_counter() - began
        return Run(seconds, parts(folder) if command[0] == str(GRID) else {})


def parts(folder: str) -> dict[str, float]:
    """Return the seconds of a grid by activity, as logged to its run."""
    with closing(sqlite3.connect(Path(folder, "mlflow.db"))) as database:
        (study,) = database.execute("select run_uuid from latest_metrics where key = 'time/total_seconds'").fetchone()
        own = database.execute("select key, value from latest_metrics where run_uuid = ?", (study,)).fetchall()
    return {key.removeprefix("time/").removesuffix("_seconds"): value for key, value in own if key.startswith("time/")}


def report(name: str, runs: dict[str, list[Run]], plain_epochs: int = EPOCHS, one_epoch: float = 0.0) -> None:
    """Print the medians, the ratios, and the time of (a) by activity.

    The time of (b) for all epochs follows from that for `plain_epochs` and that for one epoch, `one_epoch`.
    """
    walls = {command: median(timed.seconds for timed in timings) for command, timings in runs.items()}
    counts = ", ".join(f"{len(timings)} runs of ({command})" for command, timings in runs.items())
    print(f"{name}: medians of {counts}, in turn")
    if plain_epochs != EPOCHS:
        print(
            f"  (b) took {one_epoch:.1f} s with one epoch, {walls['b']:.1f} s with {plain_epochs}: scaled to {EPOCHS}"
        )
        walls["b"] = one_epoch + (EPOCHS - 1) * (walls["b"] - one_epoch) / (plain_epochs - 1)
    print(f"  (a) this project's grid  {walls['a']:8.2f} s")
    for command, what in (("b", "plain script"), ("c", "tuned by hand")):
        ratio = walls[command] / walls["a"]
        print(f"  ({command}) {what:<20} {walls[command]:8.2f} s  (a) is {ratio:.2f} times as fast")
    middle = sorted(runs["a"], key=lambda timed: timed.seconds)[len(runs["a"]) // 2]
    total = middle.seconds
    print("  of (a), in its median run:")
    shares = {
        "start: Python and imports": middle.parts["start"] - middle.parts["data"],
        "data": middle.parts["data"],
        "training, in all processes": middle.parts["train"],
        "validation, in all processes": middle.parts["validation"],
        "tracking, beside the training": middle.parts["tracking"],
        "report, at the end": middle.parts["report"],
    }
    for what, seconds in shares.items():
        print(f"    {what:<30} {seconds:6.2f} s, {seconds / total:5.1%} of the wall time")


if __name__ == "__main__":
    main()
