"""Run an entry point; errors of the user become one sentence and an exit code, never a stack trace."""

# isort: off
from lrstudy.compat import import_path  # first, since it decides where all others come from

# isort: on
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from lrstudy.cli import interruption, output
from lrstudy.errors import LearningRateStudyError, NotSyncedError, OtherRunError

BAD_INPUT = 2
NOT_SYNCED = 3
OUTPUT_LOST = 4
INTERRUPTED = 130  # as a shell reports a process that SIGINT ended
NO_TEMPORARY_FOLDER = "no folder for temporary files can be written to; TMPDIR may name one."
TOO_LITTLE_MEMORY = "there is too little memory; a smaller batch_size, image_size or network would do."


def run_main(entry_point: Callable[[list[str]], None]) -> NoReturn:
    """Run an entry point and exit with its exit code.

    The codes: 0 after success, 2 for invalid settings or data, 3 if log calls wait on disk, 4 if only the output could
    not be written, 130 after Ctrl-C, 143 after SIGTERM.
    """
    output.make_failsafe()
    import_path.exclude_current_folder_in_children()
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    try:
        entry_point(sys.argv[1:])
    except SystemExit as end:
        interruption.print_once(end, interruption.NOTHING_KEPT)
        if end.code:
            raise
    except NotSyncedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(NOT_SYNCED)
    except OtherRunError as error:  # whose run stays as it is
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except LearningRateStudyError as error:
        _exit_with_error(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        _exit_with_error(TOO_LITTLE_MEMORY)
    except FileNotFoundError as error:
        if "temporary directory" not in str(error):  # as in Python's own message
            raise
        _exit_with_error(NO_TEMPORARY_FOLDER)
    except KeyboardInterrupt as end:
        interruption.print_once(end, interruption.NOTHING_KEPT)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if KeyboardInterrupt.__name__ not in str(error):  # as pydantic turns one into its own error
            raise
        interruption.print_once(KeyboardInterrupt(), interruption.NOTHING_KEPT)
        sys.exit(INTERRUPTED)
    sys.exit(_report_lost_output())


def _report_lost_output() -> int:
    """Return the exit code of a command that succeeded; report output that could not be written to the other stream."""
    failures = output.write_failures()
    for name, reason in failures.items():
        other = sys.stdout if name == output.STREAMS[2] else sys.stderr
        print(f"error: {name} could not be written ({reason}); everything else was completed.", file=other)
    return OUTPUT_LOST if failures else 0


def _exit_with_error(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    _fail_opened_run(sentence)
    sys.exit(BAD_INPUT)


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether Python or PyTorch ran out of memory."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)


def _exit_on_sigterm(number: int, _: object) -> NoReturn:
    """Exit like an exception, so that the run is ended and worker processes are stopped."""
    sys.exit(128 + number)


def _fail_opened_run(sentence: str) -> None:
    """Mark the run that `mlflow run` opened for this process, if any, as failed, with `sentence` as its description."""
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        from lrstudy.tracking import opened_run

        opened_run.mark_failed(run_id, sentence)
