"""How an entry point ends: well, or in one sentence and an exit code, never in a stack trace of the user's mistake."""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from threading import Event
from typing import NoReturn

from lrstudy.errors import LearningRateStudyError, NotSyncedError

BAD_INPUT = 2
NOT_SENT = 3  # trained, but not on the server
INTERRUPTED = 130  # as a shell reports a process that SIGINT ended
NO_TEMPORARY_FOLDER = "no folder for temporary files can be written to; TMPDIR may name one."
TOO_LITTLE_MEMORY = "there is too little memory; a smaller batch_size, image_size or network would do."

_well = Event()


@atexit.register
def _leave() -> None:
    """Ends a program that did well. Registered when this is imported, before all others, and so called after them.

    Python would now look through all that was ever imported for garbage, which takes up to two seconds.
    """
    if _well.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def run_main(entry_point: Callable[[list[str]], None]) -> NoReturn:
    """Runs an entry point; a user's mistake ends it in one sentence and exit code 2, never a stack trace.

    What was done, but could not be told the tracking server, ends it with exit code 3.
    """
    signal.signal(signal.SIGTERM, _terminated)
    try:
        entry_point(sys.argv[1:])
    except NotSyncedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(NOT_SENT)
    except LearningRateStudyError as error:
        _refuse(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        _refuse(TOO_LITTLE_MEMORY)
    except FileNotFoundError as error:
        if "temporary directory" not in str(error):  # as Python's own words are
            raise
        _refuse(NO_TEMPORARY_FOLDER)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    _well.set()
    sys.exit(0)


def _refuse(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    _tell_mlflow(sentence)
    sys.exit(BAD_INPUT)


def _lacks_memory(error: Exception) -> bool:
    """Whether it is what Python or PyTorch raises where memory is used up."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)


def _terminated(number: int, _: object) -> NoReturn:
    """Ends the program as an exception would, so that its run is closed and no process is left behind."""
    sys.exit(128 + number)


def _tell_mlflow(sentence: str) -> None:
    """Ends the run that `mlflow run` opened for this process, if it did, with `sentence` as its description."""
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        from lrstudy.tracking import server

        server.mark_failed(run_id, sentence)
