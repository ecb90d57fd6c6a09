"""What a reader must know before following the answer: warnings that could change it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lrstudy.errors import ReportError
from lrstudy.formatting import format_loss, format_lr, format_percent, join_and, pluralize
from lrstudy.report.cells import Group
from lrstudy.report.commands import grid_of, more
from lrstudy.report.comparison import BAND, FAULTS, Comparison, OptimizerSummary, most_accurate, still_improves
from lrstudy.report.runs import Run, read_table
from lrstudy.server_names import KIND

# Below this many images of a part one image is more than a percentage point.
FEW_IMAGES = 100
# Learning rates less than so many decades apart should be about as good.
NEAR = 0.25
# So many of a search's best cells are worth several seeds.
FINALISTS = 3
# Below this many validation images a class's share of right answers is mostly chance.
FEW_OF_A_CLASS = 10


@dataclass(frozen=True)
class ReportWarning:
    """A warning: a short code, a sentence or two, and the command that would settle it, if one would."""

    code: str
    text: str
    command: str | None = None


def find_warnings(comparison: Comparison, study: Run | None) -> tuple[list[ReportWarning], list[str]]:
    """The warnings of a group, the gravest first, and in sentences what could not be found out."""
    found = [one for rule in _RULES for one in rule(comparison, study)]
    small, left_out = _small_classes(comparison)
    return found + small, left_out


def _no_answer(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    if comparison.group.cells and not comparison.ranking:
        lowest = min(cell.lr for cell in comparison.group.cells)
        yield ReportWarning(
            "all_diverged",
            f"Every training diverged, the lowest learning rate ({format_lr(lowest)}) included: try lower ones.",
        )
    if not comparison.group.cells:
        yield ReportWarning(
            "nothing_finished", "No training has finished with a validation loss: there is nothing to compare."
        )


def _not_bracketed(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    found: dict[str | None, list[str]] = {}
    for one in comparison.summaries:
        if one.best and not one.bracketed:
            said = (
                f"{one.optimizer} is not bracketed: its best learning rate, {format_lr(one.best.lr)}, is {_end(one)}."
            )
            found.setdefault(_wider(comparison, study, one), []).append(said)
    for command, sentences in found.items():
        whose = "its rank is" if len(sentences) == 1 else "their ranks are"
        beyond = f"A better one may lie beyond, so that {whose} not settled."
        yield ReportWarning("not_bracketed", " ".join([*sentences, beyond]), command)


def _end(one: OptimizerSummary) -> str:
    if one.open_low and one.open_high:
        return "the only one tried"
    return f"the {'lowest' if one.open_low else 'highest'} of those tried"


def _wider(comparison: Comparison, study: Run | None, one: OptimizerSummary) -> str | None:
    """The grid goes on by itself; a search is given two decades more at its end."""
    if study and study.tags.get(KIND) == "search" and one.best:
        wider = {"low": f"{one.best.lr / 100:.3g}"} if one.open_low else {"high": f"{one.best.lr * 100:.3g}"}
        return more(study, comparison.group, **wider)
    return more(study, comparison.group, extend="true")


def _one_seed(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    if not comparison.best:
        return
    counts = {cell.n for cell in comparison.ranking}
    if study and study.tags.get(KIND) == "search":
        command = grid_of(comparison.group, comparison.ranking[:FINALISTS], seeds="3")
    else:
        command = more(study, comparison.group, seeds="3")
    if counts == {1}:
        text = "Each cell was trained with one seed only: how much of the differences is chance cannot be told."
        yield ReportWarning("one_seed", text, command)
    elif comparison.best.n < max(counts):
        yield ReportWarning(
            "fewer_seeds",
            f"The best cell has {pluralize(comparison.best.n, 'seed')}, others have {max(counts)}.",
            command,
        )


def _accuracy_disagrees(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    top, best = most_accurate(comparison.ranking), comparison.best
    if top and best and best.accuracy.mean < top.accuracy.mean - BAND:
        yield ReportWarning(
            "accuracy_disagrees",
            f"The cell with the lowest validation loss, {best.name}, is not the most accurate: it has "
            f"{format_percent(best.accuracy.mean)}, {top.name} {format_percent(top.accuracy.mean)}. The ranks are by the loss.",
        )


def _by_chance(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    """Of one seed: a near learning rate with a loss further from the best one's than the runner-up's is."""
    best, second = comparison.best, comparison.runner_up
    if best is None or second is None or best.n > 1:
        return
    lead = second.loss.mean - best.loss.mean
    others = [cell for cell in comparison.group.of(best.optimizer) if cell is not best]
    nearest = min(others, key=lambda cell: abs(math.log10(cell.lr / best.lr)), default=None)
    if nearest is None or abs(math.log10(nearest.lr / best.lr)) > NEAR or nearest is second:
        return
    if nearest.diverged or nearest.loss.mean - best.loss.mean > lead:
        end = "diverged" if nearest.diverged else f"has a loss of {format_loss(nearest.loss.mean)}"
        yield ReportWarning(
            "by_chance",
            f"The best may be so by chance: nearly the same learning rate, {format_lr(nearest.lr)}, {end}, which is further "
            f"from its {format_loss(best.loss.mean)} than the runner-up is.",
            grid_of(comparison.group, comparison.ranking[:FINALISTS], seeds="3"),
        )


def _cut_short(comparison: Comparison, study: Run | None) -> Iterator[ReportWarning]:
    short = [cell for cell in comparison.ranking if still_improves(cell) and cell.verdict not in FAULTS]
    if not short:
        return
    names = join_and([cell.name for cell in sorted(short, key=lambda cell: cell.loss.mean)[:6]], len(short))
    also = "the best among them, " if comparison.best in short else ""
    epochs = comparison.group.settings.get("epochs", "")
    longer = more(study, comparison.group, epochs=str(2 * int(epochs))) if epochs.isdigit() else None
    yield ReportWarning(
        "still_improving",
        f"{pluralize(len(short), 'cell')} still improved when the epochs ran out, {also}and may gain from more: {names}.",
        longer,
    )


def _small_parts(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    images = next((run.images for run in comparison.group.runs if run.images), {})
    for part in ("validation", "test"):
        if 0 < (number := images.get(part, FEW_IMAGES)) < FEW_IMAGES:
            yield ReportWarning(
                f"small_{part}",
                f"The {part} part has {pluralize(number, 'image')}: each is {format_percent(1 / number)} of accuracy, "
                "so that small differences mean nothing.",
            )


def _unfinished(comparison: Comparison, _: Run | None) -> Iterator[ReportWarning]:
    unranked = {
        reason: len(runs) for reason, runs in comparison.group.unranked.items() if reason not in ("pruned", "repeated")
    }
    if unranked:
        counts = join_and([f"{number} {reason}" for reason, number in unranked.items()])
        yield ReportWarning("unfinished", f"{pluralize(sum(unranked.values()), 'run')} could not be ranked: {counts}.")


def _small_classes(comparison: Comparison) -> tuple[list[ReportWarning], list[str]]:
    """Looks into the best training's confusion matrix for classes with few validation images."""
    if not comparison.best or comparison.best.trainings[0].run.tags.get(KIND) != "train":
        return [], []
    try:
        rows = read_table(comparison.best.trainings[0].run.run_id, "confusion_matrix.csv")
        counts = {name: sum(map(int, numbers)) for name, *numbers in rows[1:]}
    except (ReportError, ValueError) as error:
        return [], [f"How many validation images each class has is not known: {error}"]
    small = sorted((number, name) for name, number in counts.items() if number < FEW_OF_A_CLASS)
    if not small:
        return [], []
    names = join_and([f"{name} ({number})" for number, name in small[:6]], len(small))
    few = f"fewer than {FEW_OF_A_CLASS} validation images"
    text = f"{pluralize(len(small), 'class', 'classes')} of {len(counts)} have {few}: {names}."
    return [ReportWarning("small_classes", text)], []


_RULES: tuple[Callable[[Comparison, Run | None], Iterator[ReportWarning]], ...] = (
    _no_answer,
    _not_bracketed,
    _one_seed,
    _accuracy_disagrees,
    _by_chance,
    _cut_short,
    _small_parts,
    _unfinished,
)


def differing(groups: Sequence[Group]) -> list[str]:
    """The settings that tell groups apart."""
    names = sorted({name for group in groups for name in group.settings})
    return [name for name in names if len({group.settings.get(name) for group in groups}) > 1]


def not_mixed(groups: Sequence[Group]) -> list[ReportWarning]:
    """Says that there are trainings that cannot be compared, and what tells them apart."""
    if len(groups) < 2:
        return []
    names = differing(groups)
    shapes = "" if names != ["hidden"] else " Under “Shapes of network” the same cells stand beside each other."
    return [
        ReportWarning(
            "groups",
            f"The trainings are of {len(groups)} groups that differ in {join_and(names)}: they are not mixed, and "
            f"each group has an answer of its own.{shapes}",
        )
    ]
