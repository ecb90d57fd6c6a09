"""Draws losses over the epochs, a line a learning rate: `python analysis/draw_curves.py --optimizer adam`."""

from collections.abc import Iterator

from chapters import Report
from command_line import draw_one, end_well
from drawings import Drawing, draw_curves
from errors import ReportError


def main(arguments: list[str]) -> None:
    """Draws the figure of the largest group of trainings that can be compared."""
    draw_one(__doc__, "curves", arguments, _choose, of_optimizer=True)


def _choose(made: Report, optimizer: str | None) -> Iterator[Drawing]:
    chapter = made.chapters[0]
    best = chapter.comparison.best
    wanted = optimizer or (best.optimizer if best else next(iter(chapter.group.optimizers), ""))
    if optimizer and optimizer not in chapter.group.optimizers:
        raise ReportError(f"--optimizer {optimizer}: there are trainings of {', '.join(chapter.group.optimizers)}.")
    return draw_curves(chapter, [wanted])


if __name__ == "__main__":
    end_well(main)
