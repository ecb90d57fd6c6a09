"""Send the log calls that are queued for tracking servers that were unavailable: `python src/sync.py`."""

from lrstudy.entry_point import run_main
from lrstudy.errors import SettingsError


def main(arguments: list[str]) -> None:
    """Send all queued log calls, and print what was sent."""
    if arguments:
        raise SettingsError(f"{arguments[0]}: sync takes no settings; it sends all queued log calls.")
    from lrstudy.interruption import report_interruption
    from lrstudy.tracking.sync import sync_all

    with report_interruption(lambda: "what was not sent stays queued; the same command sends it."):
        print(*sync_all(), sep="\n")


if __name__ == "__main__":
    run_main(main)
