"""What a long study leaves and takes more of: `python benchmarks/soak.py [--trials 1000]`.

Searches with a random sampler and trainings of one epoch, in a folder, a cache and a temporary folder of its own. While
it runs, the memory, the open files and the sockets of its processes are read twice a second: of the driver, of the
process that workers are forked from, and of the workers. Prints them after each hundred trials, the growth from the
first hundred on, and all that is left when the command has ended: processes, and files but the tracking database,
its artifacts and the cache of the project.

Memory is what a process has resident (RSS), shared pages included, the largest of the workers; and what all processes
have together, shared pages counted once (PSS).
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
KINDS = ("driver", "forked from", "office", "workers", "all")
SECONDS_TO_END = 10
MIB = 2**20
EVERY = 100


@dataclass(frozen=True)
class Sample:
    """What a study's processes had when so many trials had ended: MiB by kind of process, open files, their number."""

    trials: int
    memory: dict[str, float]
    files: int
    processes: int


def main() -> None:
    """Runs the study and prints what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples, left = run(folder, trials)
        report(samples, trials)
        print(
            f"left after the end: processes {left or 'none'}; in the temporary folder {content(folder / 'temporary')}"
        )
        print(f"  in the cache {content(folder / 'cache')}")
        print(f"  in the study's folder {content(folder / 'study')}")


def run(folder: Path, trials: int) -> tuple[list[Sample], list[str]]:
    """The samples of a study in `folder`, and the processes that it left."""
    for part in ("study", "cache", "temporary"):
        (folder / part).mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder / "temporary")}
    command = [sys.executable, str(SEARCH), *SETTINGS, "--trials", str(trials)]
    with (folder / "said").open("w") as said:
        study = subprocess.Popen(command, cwd=folder / "study", env=environment, stdout=said, stderr=said)
    samples, seen = list[Sample](), set[psutil.Process]()
    with (folder / "said").open() as said:
        ended = 0
        while study.poll() is None:
            ended = max(ended, latest(said))
            family = [psutil.Process(study.pid), *descendants(study.pid)]
            seen |= set(family)
            if ended < trials:  # then the pictures of the best are made, once
                samples += sample(family, ended)
            time.sleep(0.5)
    if study.returncode:
        sys.exit((folder / "said").read_text())
    _, alive = psutil.wait_procs(seen, timeout=SECONDS_TO_END)
    return samples, [process.name() for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def latest(said: IO[str]) -> int:
    """How many trials have ended, by what the study has said since."""
    return max((int(number) for number in re.findall(r"^\[(\d+)/", said.read(), re.M)), default=0)


def descendants(pid: int) -> list[psutil.Process]:
    """All processes that come of this one."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def sample(family: Sequence[psutil.Process], ended: int) -> Iterator[Sample]:
    """A sample, unless a process ends while it is taken."""
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
    """What each process is. Of those that are forked the first is the office's, the others train."""
    children = {process.pid for process in family if process.ppid() == family[0].pid}
    forked = [process.pid for process in sorted(family, key=psutil.Process.create_time) if process.pid not in children]
    for process in family:
        if process == family[0]:
            yield "driver"
        elif process.pid in children:
            yield "forked from"
        else:
            yield "office" if process.pid == forked[1] else "workers"


def report(samples: Sequence[Sample], trials: int) -> None:
    """Prints the medians around each hundred trials, and how much more each is than after the first."""
    rows = {}
    for mark in range(EVERY, trials + 1, EVERY):
        near = [one for one in samples if abs(one.trials - mark) <= EVERY // 4]
        if near:
            rows[mark] = [
                *(median(one.memory[kind] for one in near) for kind in KINDS),
                median(one.files for one in near),
                median(one.processes for one in near),
            ]
    print("trials  " + "  ".join(f"{kind + ' MiB':>14}" for kind in KINDS) + "  open files  processes")
    for mark, row in rows.items():
        print(f"{mark:6}  " + "  ".join(f"{value:14.1f}" for value in row[:-2]) + f"  {row[-2]:10.0f}  {row[-1]:9.0f}")
    first, last = min(rows), max(rows)
    for place, kind in enumerate((*KINDS, "open files")):
        grown = rows[last][place] - rows[first][place]
        print(
            f"{kind}: {grown:+.1f} from trial {first} to {last}, {grown / (last - first) * 100:+.2f} a hundred trials"
        )


def content(folder: Path) -> str:
    """What a folder holds: its entries with the number of files below."""
    entries = [(path.name, sum(one.is_file() for one in path.rglob("*")) or 1) for path in sorted(folder.iterdir())]
    return ", ".join(f"{name} ({count})" for name, count in entries) or "nothing"


if __name__ == "__main__":
    main()
