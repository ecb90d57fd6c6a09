"""Dask's log, which is kept out of a study's output."""

from preloaded_process import run_preloaded

CODE = """
import logging, warnings
from distributed.versions import VersionMismatchWarning
from lrstudy.compat.dask_logging import silence_dask
silence_dask()
logging.getLogger("distributed.client").critical("a traceback")
logging.getLogger("distributed").critical("another")
warnings.warn("two versions", VersionMismatchWarning)
logging.getLogger("ours").critical("kept")
"""


def test_nothing_that_dask_logs_or_warns_of_is_printed() -> None:
    ended = run_preloaded(["-c", CODE])
    assert ended.returncode == 0
    (line,) = ended.stderr.splitlines()
    assert "kept" in line
