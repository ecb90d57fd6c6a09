"""Look for leaks in a long study: `python benchmarks/soak.py [--trials 1000]`.

The study is a search with a random sampler and trainings of one epoch, in a folder, a cache and a temporary folder of
its own. The memory and the open files of the driver, the fork server, the helper worker and the workers are sampled
twice per second. The script prints the medians around every hundredth trial, their growth since the first hundred, and
the processes and files that remain after the end of the study.

Memory is the resident set (RSS) of each process, shared pages included, and of the largest worker; "all" is the sum
over all processes with shared pages counted once (PSS).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO

import psutil

SEARCH = Path(__file__).parents[1] / "src" / "search.py"
SETTINGS = ("--optimizer", "sgd", "--sampler", "random", "--epochs", "1", "--hidden", "8")
KINDS = ("driver", "fork server", "helper", "workers", "all")
SECONDS_TO_END = 10
MIB = 2**20
EVERY = 100


@dataclass(frozen=True)
class Sample:
    """The processes of a study after a number of trials: MiB by kind of process, open files, and their number."""

    trials: int
    memory: dict[str, float]
    files: int
    processes: int


def main() -> None:
    """Run the study and print the samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples, remaining = run(folder, trials)
        report(samples, trials)
        print(
            f"remaining after the end: processes {remaining or 'none'}; "
            f"in the temporary folder {content(folder / 'temporary')}"
        )
        print(f"  in the cache {content(folder / 'cache')}")
        print(f"  in the study's folder {content(folder / 'study')}")


def run(folder: Path, trials: int) -> tuple[list[Sample], list[str]]:
    """Run a study in `folder`; return its samples and the processes that remain after its end."""
    for part in ("study", "cache", "temporary"):
        (folder / part).mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder / "temporary")}
    command = [sys.executable, str(SEARCH), *SETTINGS, "--trials", str(trials)]
    with (folder / "output").open("w") as output:
        study = subprocess.Popen(command, cwd=folder / "study", env=environment, stdout=output, stderr=output)
    samples, seen = list[Sample](), set[psutil.Process]()
    with (folder / "output").open() as output:
        ended = 0
        while study.poll() is None:
            ended = max(ended, latest(output))
            family = [psutil.Process(study.pid), *descendants(study.pid)]
            seen |= set(family)
            if ended < trials:  # then the pictures of the best are made, once
                samples += sample(family, ended)
            time.sleep(0.5)
    if study.returncode:
        sys.exit((folder / "output").read_text())
    _, alive = psutil.wait_procs(seen, timeout=SECONDS_TO_END)
    return samples, [process.name() for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def latest(output: IO[str]) -> int:
    """Return the number of trials that have ended, by the output since the last call."""
    return max((int(number) for number in re.findall(r"^\[(\d+)/", output.read(), re.M)), default=0)


def descendants(pid: int) -> list[psutil.Process]:
    """Return all descendants of a process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def sample(family: Sequence[psutil.Process], ended: int) -> Iterator[Sample]:
    """Yield a sample, unless a process ends meanwhile."""
    memory = dict.fromkeys(KINDS, 0.0)
    try:
        for process, kind in zip(family, kinds(family), strict=True):
            found = process.memory_full_info()
            memory[kind] = max(memory[kind], found.rss / MIB)
            memory["all"] += found.pss / MIB
        yield Sample(ended, memory, sum(process.num_fds() for process in family), len(family))
    except psutil.Error:
        return


def kinds(family: Sequence[psutil.Process]) -> Iterator[str]:
    """Yield the kind of each process. The first forked one is the helper, the others are workers."""
    children = {process.pid for process in family if process.ppid() == family[0].pid}
    forked = [process.pid for process in sorted(family, key=psutil.Process.create_time) if process.pid not in children]
    for process in family:
        if process == family[0]:
            yield "driver"
        elif process.pid in children:
            yield "fork server"
        else:
            yield "helper" if process.pid == forked[1] else "workers"


def report(samples: Sequence[Sample], trials: int) -> None:
    """Print the medians around every hundredth trial, and their growth since the first."""
    rows = {}
    for mark in range(EVERY, trials + 1, EVERY):
        near = [sample for sample in samples if abs(sample.trials - mark) <= EVERY // 4]
        if near:
            rows[mark] = [
                *(median(sample.memory[kind] for sample in near) for kind in KINDS),
                median(sample.files for sample in near),
                median(sample.processes for sample in near),
            ]
    print("trials  " + "  ".join(f"{kind + ' MiB':>14}" for kind in KINDS) + "  open files  processes")
    for mark, row in rows.items():
        print(f"{mark:6}  " + "  ".join(f"{value:14.1f}" for value in row[:-2]) + f"  {row[-2]:10.0f}  {row[-1]:9.0f}")
    first, last = min(rows), max(rows)
    for place, kind in enumerate((*KINDS, "open files")):
        grown = rows[last][place] - rows[first][place]
        print(
            f"{kind}: {grown:+.1f} from trial {first} to {last}, {grown / (last - first) * 100:+.2f} per hundred trials"
        )


def content(folder: Path) -> str:
    """Return the entries of a folder, each with the number of files in it."""
    entries = [(path.name, sum(one.is_file() for one in path.rglob("*")) or 1) for path in sorted(folder.iterdir())]
    return ", ".join(f"{name} ({count})" for name, count in entries) or "nothing"


if __name__ == "__main__":
    main()
