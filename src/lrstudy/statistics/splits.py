"""Comparison of the answers from several splits of the images."""

from __future__ import annotations

from collections.abc import Mapping

from lrstudy.formatting import join_and, pluralize
from lrstudy.statistics.answer import Answer
from lrstudy.statistics.outcomes import Cell


def compare_splits(answers: Mapping[int, Answer]) -> str:
    """Return a sentence on whether the recommended cell depends on the split.

    It does not if one cell is recommended in a split and in each other one is the best or not distinguishable from it.

    Args:
        answers: by the seed of the split.
    """
    found = {seed: answer.best for seed, answer in answers.items() if answer.best}
    if not found:
        return "In no split can a learning rate be recommended."
    good = {cell: [seed for seed in answers if _is_good(cell, answers[seed])] for cell in found.values()}
    cell = max(good, key=lambda each: len(good[each]))
    every = pluralize(len(answers), "split")
    if len(good[cell]) == len(answers):
        return (
            f"The answer does not depend on the split: in each of {every}, {cell.name} is the best cell or not "
            "distinguishable from it."
        )
    others = [f"{found[seed].name} with split_seed={seed}" for seed in found if seed not in good[cell]]
    better = f"; better than it: {join_and(others)}" if others else ""
    return (
        f"The answer depends on the split: {cell.name} is the best cell or not distinguishable from it in "
        f"{len(good[cell])} of {every}{better}."
    )


def _is_good(cell: Cell, answer: Answer) -> bool:
    return cell == answer.best or cell in [comparison.cell for comparison in answer.indistinguishable]
