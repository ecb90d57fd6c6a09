"""Send the log calls that are queued for tracking servers that were unavailable: `python src/sync.py`."""

from lrstudy.cli.entry_point import run_main


def main(arguments: list[str]) -> None:
    """Send, list or discard queued log calls, and print the result."""
    from lrstudy.cli.command_line import parse
    from lrstudy.settings import SyncSettings

    settings = parse(SyncSettings, arguments)

    from lrstudy.cli.interruption import report_interruption
    from lrstudy.tracking import queued_calls, sync

    if settings.list:
        print(*queued_calls.describe_journals(), sep="\n")
    elif settings.discard != "none":
        print(queued_calls.discard(settings.discard))
    else:
        with report_interruption(lambda: "unsent calls stay queued; the same command sends them."):
            print(*sync.sync_all(), sep="\n")


if __name__ == "__main__":
    run_main(main)
