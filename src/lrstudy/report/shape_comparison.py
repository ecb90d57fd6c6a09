"""Networks that differ in the neurons of their dense layers alone: which is best, whether that is sure, and the gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lrstudy.formatting import NOTHING, format_loss, format_with_deviation, join_and, pluralize
from lrstudy.report.cells import Cell, Spread, format_spread
from lrstudy.report.curve_measures import generalisation_gap
from lrstudy.report.figures.shape_gaps import GapPoint
from lrstudy.report.group_report import GroupReport
from lrstudy.report.outcomes import outcomes_of
from lrstudy.server_names import NETWORK_WEIGHTS
from lrstudy.statistics.answer import Answer, find_answer
from lrstudy.statistics.comparisons import CellComparison
from lrstudy.statistics.outcomes import Outcomes
from lrstudy.statistics.race import MIN_SEEDS
from lrstudy.statistics.sentences import share


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape of network with its group report."""

    hidden: str
    group_report: GroupReport

    @property
    def neurons(self) -> list[int]:
        """The neurons of the dense layers, input side first."""
        return [int(part) for part in self.hidden.split(",") if part.strip().isdecimal()]

    @property
    def weights(self) -> int | None:
        """The number of weights of the network; None if it was not logged."""
        tags = (run.tags.get(NETWORK_WEIGHTS, "") for run in self.group_report.group.runs)
        return next((int(tag) for tag in tags if tag.isdecimal()), None)

    @property
    def name(self) -> str:
        """The neurons, and the number of weights if it is known."""
        return f"{self.hidden} ({self.weights:,} weights)" if self.weights else self.hidden

    def cell(self, optimizer: str, lr: float) -> Cell | None:
        """Return the cell of an optimizer and a learning rate, if it was trained and did not diverge."""
        cells = self.group_report.group.cells
        return next((one for one in cells if (one.optimizer, one.lr, one.diverged) == (optimizer, lr, 0)), None)


@dataclass(frozen=True, eq=False)
class ShapeComparison:
    """The shapes of a family of two or more groups."""

    shapes: tuple[Shape, ...]

    @classmethod
    def of(cls, family: Sequence[GroupReport]) -> ShapeComparison:
        """Return the comparison of the groups of a family."""
        return cls(tuple(Shape(one.group.settings["hidden"], one) for one in family))

    @cached_property
    def answer(self) -> Answer:
        """The answer among the cells of all shapes, whose optimizers have the place of their shape before them."""
        first = self.shapes[0].group_report.comparison
        outcomes = [
            replace(outcome, optimizer=f"{place} {outcome.optimizer}")
            for place, shape in enumerate(self.shapes)
            for outcome in outcomes_of(shape.group_report.group.cells, {}).rows
        ]
        return find_answer(Outcomes(outcomes), first.delta, first.confidence)

    @property
    def best(self) -> tuple[Shape, Cell] | None:
        """The shape with the best cell, and the cell; None if each cell has a failed training."""
        if self.answer.best is None:
            return None
        place, _, optimizer = self.answer.best.optimizer.partition(" ")
        shape = self.shapes[int(place)]
        cell = shape.cell(optimizer, self.answer.best.lr)
        return (shape, cell) if cell else None

    @property
    def later_neurons(self) -> list[int]:
        """The neurons of each shape's layers after the first; those of its only layer where a shape has one."""
        deep = all(len(shape.neurons) > 1 for shape in self.shapes)
        return [sum(shape.neurons[1:] if deep else shape.neurons[-1:]) for shape in self.shapes]

    @property
    def later_name(self) -> str:
        """What `later_neurons` counts."""
        deep = all(len(shape.neurons) > 1 for shape in self.shapes)
        return "neurons in later layers" if deep else "neurons in the last hidden layer"

    @property
    def headline(self) -> str:
        """The best shape."""
        if (best := self.best) is None:
            return f"None of {pluralize(len(self.shapes), 'shape')} of network can be recommended: each cell failed"
        return f"Of {len(self.shapes)} shapes of network, {best[0].name} is best, with {best[1].name}"

    @property
    def sentences(self) -> list[str]:
        """Whether the shape matters, and how the gap goes with the neurons in later layers."""
        return [self._matters(), *self._gap()] if self.best else []

    def _matters(self) -> str:
        """Return a sentence on whether other shapes are surely worse, or as good, or may be either."""
        assert self.best is not None  # noqa: S101 - asked only then
        answer, best = self.answer, self.best[0]
        if answer.risk_is_unknown:
            return f"Whether the shape matters is open: one seed each leaves chance unknown; train {MIN_SEEDS} seeds."
        closest: dict[str, tuple[Shape, CellComparison]] = {}
        for comparison in answer.comparisons:
            shape = self.shapes[int(comparison.cell.optimizer.partition(" ")[0])]
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
        return f"Whether the shape matters is open: {may} may be as good; more seeds would tell."

    def _gap(self) -> list[str]:
        """Return a sentence on the gap of the best cell in each shape, by the neurons in later layers."""
        points = self.gaps
        if len(points) < 2 or self.best is None:
            return []
        first, last = points[0], points[-1]
        values = [point.gap for point in points]
        rising, falling = values == sorted(values), values == sorted(values, reverse=True)
        trend = "it grows with them" if rising else "it shrinks with them" if falling else "without a steady trend"
        return [
            f"With {self.best[1].name}, the gap between validation and training loss at the end is "
            f"{_format(first)} with {first.neurons} {self.later_name} and {_format(last)} with {last.neurons}: {trend}."
        ]

    @property
    def gaps(self) -> list[GapPoint]:
        """The gap at the end of the best cell's training in each shape, by rising neurons in later layers."""
        if self.best is None:
            return []
        cell = self.best[1]
        cells = [shape.cell(cell.optimizer, cell.lr) for shape in self.shapes]
        known = [
            (shape.hidden, neurons, Spread.of(map(generalisation_gap, one.trainings)))
            for shape, neurons, one in zip(self.shapes, self.later_neurons, cells, strict=True)
            if one
        ]
        points = [GapPoint(neurons, gap.mean, gap.deviation, hidden) for hidden, neurons, gap in known]
        return sorted(point for point in points if math.isfinite(point.gap))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row per shape: neurons, weights, neurons in later layers, its best cell, its loss, the gap of that cell."""
        rows: list[tuple[str, ...]] = []
        for shape, later in zip(self.shapes, self.later_neurons, strict=True):
            best = shape.group_report.comparison.best
            weights = f"{shape.weights:,}" if shape.weights else NOTHING
            numbers = (best.name, _loss(best), _gap_of(best)) if best else (NOTHING,) * 3
            rows.append((shape.hidden, weights, f"{later}", *numbers))
        return rows


def _format(point: GapPoint) -> str:
    return format_with_deviation(point.gap, point.deviation, format_loss)


def _loss(cell: Cell) -> str:
    return format_spread(cell.loss, format_loss)


def _gap_of(cell: Cell) -> str:
    return format_spread(Spread.of(map(generalisation_gap, cell.trainings)), format_loss)
