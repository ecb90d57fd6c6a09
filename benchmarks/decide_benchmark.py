"""The command of `decide.py`: replays in all processes, and tables of their results."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import numpy as np

from made_tables import CELLS, NOISES, SLIPPAGE, MadeDecision, decide_made
from replay import CONFIDENCE, Decision, decide, replay_of
from rivals import MAX_FIXED, RIVALS, Choice, fixed, quietly, unlimited
from trained_pools import FOLDER, make_pool, read_pool

REPLAYS = 200
DELTAS = (0.02, 0.05, 0.1)
# What takes no time is replayed at least so often.
MANY = 1000
SHOWN_FIXED = (1, 3, 5, 10, 20)
CHUNK = 5
ALLOWED = 1 - CONFIDENCE

Result = TypeVar("Result")
read = lru_cache(read_pool)


def main(description: str) -> None:
    """Make a pool, or replay decisions and print how often they are wrong and their costs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, nargs="+", default=sorted(FOLDER.glob("*.json.gz")), metavar="FILE")
    parser.add_argument("--replays", type=int, default=REPLAYS, help="of each pool and delta (default: %(default)s)")
    parser.add_argument("--delta", type=float, nargs="+", default=DELTAS, help="differences that do not matter")
    parser.add_argument("--lengths", type=Path, metavar="FILE", help="write how many trainings the decisions took")
    parser.add_argument("--equal", action="store_true", help="replay made tables in place of pools")
    make = parser.add_subparsers(dest="command").add_parser("make", help="train a pool")
    make.add_argument("name", help="of the pool")
    make.add_argument("settings", nargs="+", metavar="SETTING=VALUE", help="epochs and batch_size, and any others")
    make.add_argument("--within", type=int, default=1, help="half decades beside the best (default: %(default)s)")
    arguments = parser.parse_args()
    workers = os.cpu_count() or 1
    if arguments.command == "make":
        settings = dict(setting.split("=", 1) for setting in arguments.settings)
        print(make_pool(arguments.name, settings, arguments.within, workers))
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as executor:
        if arguments.equal:
            report_made(executor, arguments.replays, arguments.delta)
        else:
            reports = report_pools(executor, arguments.pools, arguments.replays, arguments.delta)
            if arguments.lengths:
                write_lengths(arguments.lengths, reports, arguments.delta)


def report_pools(
    executor: ProcessPoolExecutor, paths: Sequence[Path], replays: int, deltas: Sequence[float]
) -> "list[PoolReport]":
    """Replay decisions and their rivals on pools, print a table per pool and the totals, and return the results."""
    reports = []
    for path in paths:
        reports.append(PoolReport.of(executor, path, replays, deltas))
        print(*reports[-1].lines(), "", sep="\n", flush=True)
    for delta in deltas:
        print(total(reports, delta))
    return reports


def write_lengths(path: Path, reports: "Sequence[PoolReport]", deltas: Sequence[float]) -> None:
    """Write by delta how many trainings made 5%, 10%, … of the decisions sure, over all pools; None if more did not."""
    lengths = {}
    for delta in deltas:
        decisions = [decision for report in reports for decision in report.decisions[delta]]
        rising = sorted(decision.trainings if decision.sure else math.inf for decision in decisions)
        quantiles = [rising[math.ceil(percent / 100 * len(rising)) - 1] for percent in range(5, 100, 5)]
        lengths[str(delta)] = [None if math.isinf(length) else length for length in quantiles]
    path.write_text(json.dumps(lengths) + "\n")


@dataclass(frozen=True)
class PoolReport:
    """The results on a pool: of decisions by delta, of fixed numbers of seeds by number, and of rivals by name.

    `floor` are the regrets of a choice by all trainings of the half that is drawn from.
    """

    name: str
    cells: int
    decisions: dict[float, list[Decision]]
    fixed: dict[int, list[Choice]]
    floor: list[float]
    rivals: dict[str, list[Choice]]

    @classmethod
    def of(cls, executor: ProcessPoolExecutor, path: Path, replays: int, deltas: Sequence[float]) -> "PoolReport":
        """Return the results of replays of a pool."""
        pool = read(path)
        many = [replay_of(pool, number) for number in range(max(replays, MANY))]
        by_replay = [fixed(replay) for replay in many]
        return cls(
            pool.name,
            len(pool.cells),
            {
                delta: repeat(executor, partial(_decide, path, delta), replays, f"{pool.name}, decide, δ = {delta:.0%}")
                for delta in deltas
            },
            {index + 1: [choices[index] for choices in by_replay] for index in range(MAX_FIXED)},
            [unlimited(replay) for replay in many],
            {
                rival: repeat(executor, partial(_choose, path, rival), replays, f"{pool.name}, {rival}")
                for rival in RIVALS
            },
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table."""
        deltas = list(self.decisions)
        replays = len(self.decisions[deltas[0]])
        yield f"{self.name}: {self.cells} cells, {replays} replays ({len(self.floor)} of fixed numbers of seeds)"
        heads = "".join(f"{f'P(>{delta:.0%})':>9}" for delta in deltas)
        yield f"  {'':24}{heads}{'trainings':>11}{'epochs':>8}"
        for seeds in SHOWN_FIXED:
            yield _rival_line(f"every cell {seeds} seed{'s' * (seeds > 1)}", self.fixed[seeds], deltas)
        for rival, choices in self.rivals.items():
            yield _rival_line(rival, choices, deltas)
        floors = "".join(f"{exceeds(self.floor, delta):9.1%}" for delta in deltas)
        yield f"  {'all of the half':24}{floors}"
        for delta, decisions in self.decisions.items():
            yield self._decision_line(delta, decisions)

    def _decision_line(self, delta: float, decisions: Sequence[Decision]) -> str:
        wrong = exceeds([decision.regret for decision in decisions], delta)
        sure = [decision.regret for decision in decisions if decision.sure]
        own = exceeds([decision.own_regret for decision in decisions if decision.sure], delta)
        every, raced, other = np.mean([decision.covered for decision in decisions], axis=0)
        trainings = np.array([decision.trainings for decision in decisions])
        epochs = fmean(decision.epochs for decision in decisions)
        return (
            f"  decide, δ = {delta:.0%}: P(>δ) {wrong:.1%}, sure {len(sure) / len(decisions):.1%}, wrong of these "
            f"{exceeds(sure, delta):.1%}, by the half that is drawn from {own:.1%}; {trainings.mean():.1f} trainings "
            f"(median {np.median(trainings):.0f}, 90% below {np.quantile(trainings, 0.9):.0f}), {epochs:.0f} epochs; "
            f"all intervals hold {every:.1%}, of cells with 3 seeds {raced:.1%}, of these in the other half {other:.1%}"
        )

    def trainings(self, delta: float) -> float:
        """Return the mean number of trainings of a decision."""
        return fmean(decision.trainings for decision in self.decisions[delta])

    def omission(self, delta: float) -> str:
        """Return the pool's name, with the errors of the largest fixed number of seeds and of all of the half."""
        most = exceeds([choice.regret for choice in self.fixed[MAX_FIXED]], delta)
        return f"{self.name} (wrong in {most:.1%} with {MAX_FIXED} seeds, in {exceeds(self.floor, delta):.1%} with all)"

    def sufficient(self, delta: float) -> set[int]:
        """Return the fixed numbers of seeds with which the choice is wrong rarely enough."""
        return {
            seeds
            for seeds, choices in self.fixed.items()
            if exceeds([choice.regret for choice in choices], delta) <= ALLOWED
        }


def _rival_line(name: str, choices: Sequence[Choice], deltas: Sequence[float]) -> str:
    wrong = "".join(f"{exceeds([choice.regret for choice in choices], delta):9.1%}" for delta in deltas)
    trainings, epochs = fmean(choice.trainings for choice in choices), fmean(choice.epochs for choice in choices)
    return f"  {name:24}{wrong}{trainings:11.1f}{epochs:8.0f}"


def exceeds(regrets: Sequence[float], delta: float) -> float:
    """Return the share of regrets, in log units, above a share of the loss; NaN of none."""
    return float(np.mean(np.array(regrets) > np.log1p(delta))) if regrets else float("nan")


def total(reports: Sequence[PoolReport], delta: float) -> str:
    """Return the sentence on the trainings of decisions and of a fixed number of seeds, over all pools together."""
    counted = [report for report in reports if report.sufficient(delta)]
    omitted = "".join(f"; without {report.omission(delta)}" for report in reports if report not in counted)
    common = set.intersection(*(report.sufficient(delta) for report in counted)) if counted else set()
    if not common:
        return f"δ = {delta:.0%}: no fixed number of seeds up to {MAX_FIXED} is wrong in at most {ALLOWED:.0%}{omitted}"
    seeds = min(common)
    decided = sum(report.trainings(delta) for report in counted)
    others = seeds * sum(report.cells for report in counted)
    return (
        f"δ = {delta:.0%}: {decided:.0f} trainings, {decided / others:.2f} of the {others} that {seeds} seeds of every "
        f"cell take, the fewest that are wrong in at most {ALLOWED:.0%} on each pool{omitted}"
    )


def _decide(path: Path, delta: float, number: int) -> Decision:
    return decide(replay_of(read(path), number), delta)


def _choose(path: Path, rival: str, number: int) -> Choice:
    return quietly(RIVALS[rival], replay_of(read(path), number))


def report_made(executor: ProcessPoolExecutor, replays: int, deltas: Sequence[float]) -> None:
    """Replay decisions on made tables, and print how often their claims are false."""
    print(f"{replays} replays each")
    for delta in deltas:
        for noise in NOISES:
            for cells in CELLS:
                name = f"{cells:2} cells, {noise} noise, δ = {delta:.0%}"
                equal, slipped = (
                    repeat(executor, partial(decide_made, noise, cells, slippage, delta), replays, name)
                    for slippage in (0.0, SLIPPAGE * delta)
                )
                print(_made_line(name, equal, slipped), flush=True)


def _made_line(name: str, equal: Sequence[MadeDecision], slipped: Sequence[MadeDecision]) -> str:
    sure = [decision.right for decision in slipped if decision.sure]
    wrong = 1 - fmean(sure) if sure else float("nan")
    return (
        f"{name:38} all equal: {fmean(decision.worse for decision in equal):5.1%} with a false claim of worse, "
        f"{fmean(decision.sure for decision in equal):4.0%} sure, {fmean(d.trainings for d in equal):.0f} trainings; "
        f"one better by {SLIPPAGE} δ: {wrong:5.1%} wrong of the {len(sure) / len(slipped):4.0%} that are sure, "
        f"{fmean(d.trainings for d in slipped):.0f} trainings"
    )


def repeat(executor: ProcessPoolExecutor, replay: Callable[[int], Result], replays: int, name: str) -> list[Result]:
    """Return the results of `replay` with the numbers up to `replays`, and print progress."""
    chunks = [range(first, min(first + CHUNK, replays)) for first in range(0, replays, CHUNK)]
    futures = {executor.submit(_chunk, replay, numbers): numbers for numbers in chunks}
    for done, _ in enumerate(as_completed(futures), start=1):
        print(f"\r{name}: {min(done * CHUNK, replays)} of {replays}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [result for future in futures for result in future.result()]


def _chunk(replay: Callable[[int], Result], numbers: range) -> list[Result]:
    return [replay(number) for number in numbers]
