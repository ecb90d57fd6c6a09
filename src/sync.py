"""Send the log calls that are queued for tracking servers that were unavailable: `python src/sync.py`."""

from lrstudy.entry_point import run_main
from lrstudy.errors import SettingsError


def main(arguments: list[str]) -> None:
    """Send all queued log calls, and print what was sent."""
    if arguments:
        raise SettingsError(f"{arguments[0]}: sync takes no settings; it sends all queued log calls.")
    from lrstudy.tracking.sync import sync_all

    print(*sync_all(), sep="\n")


if __name__ == "__main__":
    run_main(main)
