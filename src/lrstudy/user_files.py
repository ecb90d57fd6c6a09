"""Files and folders that a user's settings name: their paths, from where they were typed, and their contents."""

from __future__ import annotations

from pathlib import Path

from lrstudy.compat.mlflow_launch import launch_folder, typed_path
from lrstudy.errors import SettingsError
from lrstudy.formatting import setting_error


def user_path(text: str) -> Path:
    """Return the path of a file that a user typed, with `~` for a home folder; that of an unknown user stays as it is.

    A relative path is relative to where `mlflow run` was typed, if the file is there.
    """
    return typed_path(_with_home(text), is_file)


def written_path(text: str) -> Path:
    """Return the absolute path of what is to be written: a relative one starts where `mlflow run` was typed."""
    return launch_folder() / _with_home(text)


def is_file(path: Path) -> bool:
    """Return whether `path` is a file; False also for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def read_file(setting: str, text: str, path: Path) -> bytes:
    """Return the content of the file at `path`, which the value `text` of a setting names.

    Raises:
        SettingsError: it does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f": {path.absolute()} cannot be read: {error.strerror}."
        raise SettingsError(setting_error(setting, text, problem)) from None


def _with_home(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
