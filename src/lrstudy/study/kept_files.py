"""The files of a training that has ended, kept on this machine if they cannot be logged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lrstudy import cache_paths
from lrstudy.errors import LearningRateStudyError, NotSyncedError
from lrstudy.redaction import first_line


@contextmanager
def kept_on_failure() -> Iterator[dict[str, bytes]]:
    """Yield an empty dictionary of files by their paths; keep those that the block adds on disk if it fails.

    Raises:
        LearningRateStudyError: the block has failed after adding files; the sentence gives the reason and their folder.
        NotSyncedError: the files are queued in a journal, which the sentence names.
    """
    files: dict[str, bytes] = {}
    try:
        yield files
    except NotSyncedError:
        raise
    except Exception as error:
        if not files:
            raise
        is_sentence = isinstance(error, LearningRateStudyError)
        reason = str(error) if is_sentence else f"{type(error).__name__}: {first_line(error)}"
        raise LearningRateStudyError(
            f"{reason.rstrip('.')}; the training itself has ended, and its weights are {_keep(files)}."
        ) from error


def _keep(files: Mapping[str, bytes]) -> str:
    """Write files into the first folder that can be written; return a clause on where they are."""
    for parent in (cache_paths.cache_folder() / "kept", Path(tempfile.gettempdir()), Path.cwd()):
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="training-", dir=parent))
            for path, content in files.items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        except OSError:
            continue
        return f"kept in {folder}"
    return "lost, since no folder can be written"
