"""Draws losses over the epochs, a line a learning rate: `python analysis/draw_curves.py --optimizer adam`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from collections.abc import Iterator

from lrstudy.entry_point import run_main
from lrstudy.errors import ReportError
from lrstudy.report.command_line import draw_one
from lrstudy.report.drawings import Drawing, draw_curves
from lrstudy.report.group_report import Report


def main(arguments: list[str]) -> None:
    """Draws the figure of the largest group of trainings that can be compared."""
    draw_one(__doc__, "curves", arguments, _choose, of_optimizer=True)


def _choose(made: Report, optimizer: str | None) -> Iterator[Drawing]:
    group_report = made.group_reports[0]
    best = group_report.comparison.best
    wanted = optimizer or (best.optimizer if best else next(iter(group_report.group.optimizers), ""))
    if optimizer and optimizer not in group_report.group.optimizers:
        raise ReportError(
            f"--optimizer {optimizer}: there are trainings of {', '.join(group_report.group.optimizers)}."
        )
    return draw_curves(group_report, [wanted])


if __name__ == "__main__":
    run_main(main)
