"""Networks that differ in the neurons of their dense layers alone: which is best, whether that is sure, and the gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lrstudy.formatting import NOTHING, format_loss, format_with_deviation, join_and, pluralize
from lrstudy.report.cells import Cell, Spread, format_spread
from lrstudy.report.comparison import Comparison
from lrstudy.report.curve_measures import generalisation_gap
from lrstudy.report.figures.shape_gaps import GapPoint
from lrstudy.server_names import NETWORK_WEIGHTS
from lrstudy.statistics.answer import Answer, find_answer
from lrstudy.statistics.comparisons import CellComparison
from lrstudy.statistics.outcomes import Cell as StatisticsCell
from lrstudy.statistics.outcomes import Outcomes
from lrstudy.statistics.race import MIN_SEEDS
from lrstudy.statistics.sentences import share


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape of network with the comparison of its cells."""

    hidden: str
    comparison: Comparison

    @property
    def neurons(self) -> list[int]:
        """The neurons of the dense layers, input side first."""
        return [int(part) for part in self.hidden.split(",") if part.strip().isdecimal()]

    @property
    def weights(self) -> int | None:
        """The number of weights of the network; None if it was not logged."""
        tags = (run.tags.get(NETWORK_WEIGHTS, "") for run in self.comparison.group.runs)
        return next((int(tag) for tag in tags if tag.isdecimal()), None)

    @property
    def name(self) -> str:
        """The neurons, and the number of weights if it is known."""
        return f"{self.hidden} ({self.weights:,} weights)" if self.weights else self.hidden

    def cell(self, optimizer: str, lr: float) -> Cell | None:
        """Return the cell of an optimizer and a learning rate, if it was trained and did not diverge."""
        cells = self.comparison.group.cells
        return next((one for one in cells if (one.optimizer, one.lr, one.diverged) == (optimizer, lr, 0)), None)


@dataclass(frozen=True, eq=False)
class ShapeComparison:
    """The shapes of a family of two or more groups."""

    shapes: tuple[Shape, ...]

    @classmethod
    def of(cls, family: Sequence[Comparison]) -> ShapeComparison:
        """Return the comparison of the groups of a family."""
        return cls(tuple(Shape(one.group.settings["hidden"], one) for one in family))

    @cached_property
    def answer(self) -> Answer:
        """The answer among the cells of all shapes, whose optimizers have the place of their shape before them."""
        first = self.shapes[0].comparison
        outcomes = [
            replace(outcome, optimizer=f"{place} {outcome.optimizer}")
            for place, shape in enumerate(self.shapes)
            for outcome in shape.comparison.outcomes.rows
        ]
        return find_answer(Outcomes(outcomes), first.delta, first.confidence)

    @property
    def best(self) -> tuple[Shape, Cell] | None:
        """The shape with the best cell, and the cell; None if each cell has a failed training."""
        return self._locate(self.answer.best) if self.answer.best else None

    def _locate(self, cell: StatisticsCell) -> tuple[Shape, Cell]:
        """Return the shape that a cell of `answer` belongs to, and the cell of its group."""
        place, _, optimizer = cell.optimizer.partition(" ")
        shape = self.shapes[int(place)]
        return shape, shape.comparison.cell(StatisticsCell(optimizer, cell.lr))

    @property
    def _are_deep(self) -> bool:
        return all(len(shape.neurons) > 1 for shape in self.shapes)

    @property
    def later_neurons(self) -> list[int]:
        """The neurons of each shape's layers after the first; those of its only layer where a shape has one."""
        return [sum(shape.neurons[1:] if self._are_deep else shape.neurons[-1:]) for shape in self.shapes]

    @property
    def later_name(self) -> str:
        """The name of the quantity `later_neurons`."""
        return "neurons in later layers" if self._are_deep else "neurons in the last hidden layer"

    @property
    def headline(self) -> str:
        """The best shape."""
        if (best := self.best) is None:
            return f"None of {pluralize(len(self.shapes), 'shape')} of network can be recommended: each cell failed"
        return f"Of {len(self.shapes)} shapes of network, {best[0].name} is best, with {best[1].name}"

    @property
    def sentences(self) -> list[str]:
        """Sentences on whether the shape matters, and on the gap by the neurons in later layers."""
        if (best := self.best) is None:
            return []
        shape, cell = best
        return [self._matters(shape), *self._gap_trend(cell)]

    def _matters(self, best: Shape) -> str:
        """Return a sentence on whether other shapes are surely worse, or as good, or may be either."""
        answer = self.answer
        if answer.risk_is_unknown:
            return f"Whether the shape matters is open: one seed each leaves chance unknown; train {MIN_SEEDS} seeds."
        closest: dict[str, tuple[Shape, CellComparison]] = {}
        for comparison in answer.comparisons:
            shape, _ = self._locate(comparison.cell)
            closest.setdefault(shape.hidden, (shape, comparison))
        others = [pair for hidden, pair in closest.items() if hidden != best.hidden]
        if all(comparison.is_worse for _, comparison in others):
            bounds = join_and([f"{shape.hidden} by {share(one.low)} or more" for shape, one in others])
            return f"The shape matters: at their best, all others are surely worse, {bounds}." if others else ""
        alike = [shape for shape, one in others if one.high <= answer.delta]
        if len(alike) == len(others):
            smallest = min([best, *alike], key=lambda shape: shape.weights or math.inf)
            return f"The shape does not matter: all are within {share(answer.delta)}; the smallest is {smallest.name}."
        may = join_and([shape.hidden for shape, one in others if not one.is_worse])
        return f"Whether the shape matters is open: {may} may be as good; more seeds would settle it."

    def _gap_trend(self, best: Cell) -> list[str]:
        """Return a sentence on the gap of the best cell in each shape, if two or more are known."""
        points = self.gaps
        if len(points) < 2:
            return []
        first, last = points[0], points[-1]
        values = [point.gap for point in points]
        rising, falling = values == sorted(values), values == sorted(values, reverse=True)
        trend = "it grows with them" if rising else "it shrinks with them" if falling else "without a steady trend"
        return [
            f"With {best.name}, the gap between validation and training loss at the end is "
            f"{_format(first)} with {first.neurons} {self.later_name} and {_format(last)} with {last.neurons}: {trend}."
        ]

    @property
    def gaps(self) -> list[GapPoint]:
        """The gap at the end of the best cell's training in each shape, by rising neurons in later layers."""
        if self.best is None:
            return []
        _, best = self.best
        gaps = [
            (shape.hidden, neurons, _gap(cell))
            for shape, neurons in zip(self.shapes, self.later_neurons, strict=True)
            if (cell := shape.cell(best.optimizer, best.lr))
        ]
        points = [GapPoint(neurons, gap.mean, gap.deviation, hidden) for hidden, neurons, gap in gaps]
        return sorted(point for point in points if math.isfinite(point.gap))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row per shape: neurons, weights, neurons in later layers, its best cell, its loss, the gap of that cell."""
        rows: list[tuple[str, ...]] = []
        for shape, later in zip(self.shapes, self.later_neurons, strict=True):
            best = shape.comparison.best
            weights = f"{shape.weights:,}" if shape.weights else NOTHING
            numbers = (best.name, *_spreads(best)) if best else (NOTHING,) * 3
            rows.append((shape.hidden, weights, f"{later}", *numbers))
        return rows


def _format(point: GapPoint) -> str:
    return format_with_deviation(point.gap, point.deviation, format_loss)


def _spreads(cell: Cell) -> tuple[str, str]:
    """Return a cell's best validation loss and its gap, each with its deviation."""
    return format_spread(cell.loss, format_loss), format_spread(_gap(cell), format_loss)


def _gap(cell: Cell) -> Spread:
    return Spread.of(map(generalisation_gap, cell.trainings))
