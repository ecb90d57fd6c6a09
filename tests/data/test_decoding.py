"""The processes that decode images."""

import os
import sys
from collections import deque

import pytest

from lrstudy.crash_safe_pool import imap_unordered
from lrstudy.data.decoding import decoding_pool
from lrstudy.errors import DataError


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not report a process's size")
def test_a_process_may_not_take_more_memory_than_its_share() -> None:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource = "__import__('resource')"
    with decoding_pool(2) as pool:
        [(_, limit)] = imap_unordered(pool, eval, deque([f"{resource}.getrlimit({resource}.RLIMIT_AS)[0]"]))
    assert isinstance(limit, int)
    assert 2**30 < limit < physical


def test_processes_that_do_not_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with decoding_pool(1) as pool:
        list(imap_unordered(pool, eval, deque(["1"])))  # from now on multiprocessing's own process exists
    monkeypatch.setenv("PYTHONHOME", "/dev/null/folder")
    with pytest.raises(DataError, match="do not start"), decoding_pool(2) as pool:
        list(imap_unordered(pool, eval, deque(["1", "2", "3"])))
