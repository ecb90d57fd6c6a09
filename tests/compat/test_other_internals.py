"""Red first when numpy, Pillow, the C library or the standard library change a part that the project uses."""

import platform
import socket
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import PngImagePlugin

from lrstudy.compat import malloc
from lrstudy.compat.network import socket_timeout
from lrstudy.compat.numpy_internals import release_pages
from lrstudy.compat.pillow_internals import allow_long_png_texts


def test_a_memory_mapped_arrays_pages_are_released(tmp_path: Path) -> None:
    (tmp_path / "pixels").write_bytes(bytes(64 * 2**20))
    array = np.memmap(tmp_path / "pixels", np.uint8, "r")
    assert array.sum() == 0
    resident = psutil.Process().memory_info().rss
    release_pages(array)
    assert psutil.Process().memory_info().rss < resident - 60 * 2**20
    assert array.sum() == 0


def test_one_text_of_a_png_may_be_as_long_as_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 2**20)
    assert PngImagePlugin.MAX_TEXT_MEMORY == 64 * 2**20
    allow_long_png_texts()
    assert PngImagePlugin.MAX_TEXT_CHUNK == PngImagePlugin.MAX_TEXT_MEMORY


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_malloc_accepts_the_options() -> None:
    assert malloc.keep_freed_memory()


def test_network_calls_have_a_timeout_within_the_block_alone() -> None:
    before = socket.getdefaulttimeout()
    with socket_timeout(1.5):
        assert socket.getdefaulttimeout() == 1.5
        with socket.socket() as connection:
            assert connection.gettimeout() == 1.5
    assert socket.getdefaulttimeout() == before
