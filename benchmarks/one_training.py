"""Print where the time of one training goes: `python benchmarks/one_training.py [--any-setting-of-a-training VALUE …]`.

Runs the steps of a training one after another in one process, in a fresh folder with a fresh tracking database, and
prints each step's time and share; of the time within the epochs, what tracking and checkpoints took is printed too.
`src/train.py` itself runs the imports, the figures and the export of the model side by side, in several processes.
Imports are timed with the step that first needs them, apart from those of torch and MLflow.

With `--against FOLDER`, the checkout of another version, it instead compares the wall time of `src/train.py` from the
command to its end in both, alternating after a run of each that does not count, five times each, every time in
a fresh folder. With `--grid-again`, it compares a grid through `mlflow run` with the same grid started again.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

REPEATS = 3
PAIRS = 5


def compare(other: Path, arguments: list[str]) -> None:
    """Time `train.py` of the version in `other` and of this one in turn; print medians and paired ratios."""
    commands = [[sys.executable, str(folder / "src" / "train.py"), *arguments] for folder in (other.resolve(), ROOT)]
    for command in commands:
        _timed(command)
    seconds = [[_timed(command) for command in commands] for _ in range(PAIRS)]
    theirs, ours = zip(*seconds, strict=True)
    ratio = median(new / old for old, new in seconds)
    print(f"medians of {PAIRS} pairs: {median(theirs):.2f} s in {other}, {median(ours):.2f} s here")
    print(f"median of the paired ratios: {ratio:.2f} (from {min(n / o for o, n in seconds):.2f} ", end="")
    print(f"to {max(n / o for o, n in seconds):.2f})")


def compare_grid_again() -> None:
    """Time a grid through `mlflow run`, and the same grid again in the same folder; print medians and the ratio."""
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", "grid"]
    pairs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            pairs.append([_timed(command, folder) for _ in range(2)])
    first, again = zip(*pairs, strict=True)
    print(f"medians of {REPEATS} pairs: {median(first):.2f} s for a grid, {median(again):.2f} s for the same again")
    print(f"median of the paired ratios: {median(later / earlier for earlier, later in pairs):.2f}")


def _timed(command: list[str], folder: str | None = None) -> float:
    """Return the seconds of a command, in `folder` or in a fresh one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with tempfile.TemporaryDirectory() as fresh:
        started = time.perf_counter()
        subprocess.run(command, cwd=folder or fresh, env=environment, capture_output=True, check=True)
        return time.perf_counter() - started


def main(arguments: list[str]) -> None:
    """Run the training a few times and print the steps of the median run."""
    runs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(Path(__file__).resolve()), "--measure", *arguments]
            environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
            started = time.perf_counter()
            printed = subprocess.run(
                command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            whole = time.perf_counter() - started
            lines = [line.rsplit(" ", 1) for line in printed.stdout.splitlines() if line.startswith("  ")]
            runs.append((whole, {name.strip(): float(seconds) for name, seconds in lines}))
    whole, steps = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
    print(f"median of {REPEATS} runs: {whole:.2f} s from the command to its end")
    accounted = [name for name in steps if not name.startswith("of which")]
    steps["Python itself, and its end"] = whole - sum(steps[name] for name in accounted)
    for name, seconds in steps.items():
        print(f"{name:>45} {seconds:8.3f} s {seconds / whole:6.1%}")
    epochs = steps["training"] + steps["validation"]
    for what in ("tracking", "checkpoints"):
        print(f"{what} took {steps[f'of which {what}'] / epochs:.1%} of the time of the epochs")


def measure(arguments: list[str]) -> None:
    """One training, step by step; prints each step's seconds."""
    clock = _Clock()
    with clock.step("imports: settings"):
        from lrstudy.cli.command_line import parse
        from lrstudy.settings import TrainSettings

        settings = parse(TrainSettings, arguments)
    with clock.step("imports: torch"):
        from lrstudy import cache_paths
        from lrstudy.study import progress
        from lrstudy.training import checkpoint, runtime, setup
        from lrstudy.training.plan import TrainingPlan, load_data
        from lrstudy.training.progress import finalize, track_best
    with clock.step("imports: MLflow"):
        from lrstudy.tracking import training_run
    with clock.step("device and threads"):
        machine = runtime.prepare(settings)
    with clock.step("data"):
        plan = TrainingPlan(settings, load_data(settings), machine)
    with clock.step("network and optimizer"):
        training = setup.build(plan)
    opened = training_run.open_run(plan.specification)
    with clock.step("tracking: opening the run, in a new database"):
        run = opened.__enter__()
    clock.seconds["of which tracking"] = 0.0
    clock.time_calls(run.outbox, "enqueue", "of which tracking")
    clock.time_calls(run.client, "log_batch", "of which tracking")
    clock.seconds["of which checkpoints"] = 0.0
    clock.time_calls(checkpoint, "_write", "of which checkpoints")
    started = time.perf_counter()
    training, so_far = checkpoint.resume(training, run.run_id)
    epochs = checkpoint.save_checkpoints(training, run.run_id, so_far, track_best(training, so_far, training.epochs()))
    for _ in run.log_epochs(progress.print_progress(epochs, settings.epochs)):
        pass
    result = finalize(training, so_far)
    loop = time.perf_counter() - started
    tracked = clock.seconds["of which tracking"]
    clock.seconds["training"] = sum(epoch.train_seconds for epoch in result.history)
    clock.seconds["validation"] = sum(epoch.val_seconds for epoch in result.history)
    clock.seconds["progress, best weights, checkpoints, test score"] = (
        loop - clock.seconds["training"] - clock.seconds["validation"]
    )
    with clock.step("artifacts: verdict, tables, pictures, model"):
        from lrstudy.plots import png
        from lrstudy.plots.network_figures import network_figures
        from lrstudy.tracking.logged_model import logged_model
        from lrstudy.tracking.model_export import save_network
        from lrstudy.training import artifacts

        files = artifacts.artifact_files(training, result)
        title = f"{plan.specification.title}: {result.verdict.word}"
        files |= png.training_figures(title, files, result.best.epoch) | network_figures(training, title)
        training_run.log_result(run, result, files, {})
        with logged_model(run, plan.specification) as (path, identity):
            save_network(training.classifier.cpu(), plan.model_inputs, path, identity)
    with clock.step("tracking: the rest of the metrics, closing"):
        opened.__exit__(None, None, None)
        cache_paths.remove_checkpoint(run.run_id)
    clock.seconds["of which tracking"] = tracked
    for name, seconds in clock.seconds.items():
        print(f"  {name} {seconds}")


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def time_calls(self, owner: object, method: str, name: str) -> None:
        function = getattr(owner, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                return function(*arguments, **named)

        setattr(owner, method, timed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2:])
    elif sys.argv[1:2] == ["--grid-again"]:
        compare_grid_again()
    elif sys.argv[1:2] == ["--against"]:
        compare(Path(sys.argv[2]), sys.argv[3:])
    else:
        main(sys.argv[1:])
