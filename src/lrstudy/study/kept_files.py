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
    """Yield an empty dictionary; if the block fails after files were added to it, by their paths, keep these on disk.

    Raises:
        LearningRateStudyError: the block has failed; the sentence says why, and where the files are.
        NotSyncedError: the files wait in a journal, which the sentence names.
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
    """Write files where that is possible; return where they are."""
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
