"""Train a run of the server again, and compare: `python src/reproduce.py --run-id 3f0c…`."""

import sys

from lrstudy.command_line import parse
from lrstudy.entry_point import run_main
from lrstudy.settings import ReproduceSettings

DIFFERENT = 1


def main(arguments: list[str]) -> None:
    """Train the run again; exit with code 1 if its data, a loss or the weights differ."""
    settings = parse(ReproduceSettings, arguments)

    # After the settings, since these imports take seconds and a mistake in a setting should show at once.
    from lrstudy.progress import print_progress
    from lrstudy.tracking.reproduction import reproduce

    if not reproduce(settings.run_id, print_progress).identical:
        sys.exit(DIFFERENT)


if __name__ == "__main__":
    run_main(main)
