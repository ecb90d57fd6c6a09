"""Sends what waits for tracking servers that could not be used: `python src/sync.py`."""

from lrstudy.entry_point import run_main
from lrstudy.errors import SettingsError


def main(arguments: list[str]) -> None:
    """Sends it, and says what was sent."""
    if arguments:
        raise SettingsError(f"{arguments[0]}: this takes no settings; it sends all that waits.")
    from lrstudy.tracking.sync import sync_all

    print(*sync_all(), sep="\n")


if __name__ == "__main__":
    run_main(main)
