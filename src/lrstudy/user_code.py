"""Functions and classes of the user: `path/to/file.py:name`, or `package:name` of an installed package.

Code from a tracking server is never run: a file is always the one on this machine.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from lrstudy.errors import SettingsError, UserCodeError
from lrstudy.formatting import did_you_mean, quote, setting_error
from lrstudy.user_files import read_file, user_path

FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)", re.S)
PACKAGE = re.compile(r"(?P<package>[A-Za-z_][\w.-]*):(?P<name>[\w.-]+)")
PROJECT = str(Path(__file__).parent)
# The folders of code that is not the user's: this project, the standard library, installed packages.
OTHER_CODE = (PROJECT, "<frozen", *(sysconfig.get_path(name) for name in ("stdlib", "purelib")))
# The contents of files of another machine, by the settings' values that name them.
_provided: dict[str, bytes] = {}


@dataclass(frozen=True)
class FileReference:
    """A name in a Python file of the user; `setting` is the setting that names it, such as `model`."""

    setting: str
    text: str
    path: Path
    name: str

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the file's content, 64 hex digits.

        Raises:
            SettingsError: the file does not exist or cannot be read.
        """
        return hashlib.sha256(self.content).hexdigest()

    @property
    def content(self) -> bytes:
        """The content of the file, as this process read it first.

        Raises:
            SettingsError: the file does not exist or cannot be read.
        """
        if self.text in _provided:
            return _provided[self.text]
        return _read_once(self.setting, self.text, self.path)

    @property
    def label(self) -> str:
        """The file's name and the name in it, without the folder."""
        return f"{self.path.name}:{self.name}"

    def load(self) -> Any:
        """Run the file and return the value of its name.

        Raises:
            SettingsError: the file cannot be read or run, or has no such name.
        """
        module = _run_file(self)
        if not hasattr(module, self.name):
            known = [
                name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
            ]
            suggestion = did_you_mean(self.name, known) if known else "it defines no function and no class."
            problem = f": {self.path.name} has no {quote(self.name)}; {suggestion}"
            raise SettingsError(setting_error(self.setting, self.text, problem))
        return getattr(module, self.name)


def file_reference(setting: str, text: str) -> FileReference | None:
    """Return the file and the name of a value such as `path/to/file.py:name`; None for any other text."""
    match = FILE.fullmatch(text)
    return FileReference(setting, text, user_path(match["path"]), match["name"]) if match else None


def misses_name(text: str) -> bool:
    """Return whether `text` is a Python file without the name in it, such as `path/to/file.py`."""
    return text.removesuffix(":").endswith(".py")


def package_reference(text: str) -> tuple[str, str] | None:
    """Return the package and the name of `package:name`; None for any other text, including a reference to a file."""
    match = None if FILE.fullmatch(text) else PACKAGE.fullmatch(text)
    return (match["package"].replace("-", "_"), match["name"]) if match else None


def import_package(setting: str, text: str, package: str) -> ModuleType:
    """Import the package that a setting's value refers to.

    Raises:
        SettingsError: the package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        problem = (
            f"needs the package {missing}, which is not installed here; `pip install {missing.replace('_', '-')}`."
        )
        raise SettingsError(setting_error(setting, text, problem)) from None


@contextmanager
def user_errors(setting: str, text: str, action: str, unless: type[Exception] = SettingsError) -> Iterator[None]:
    """Raise the block's errors as a UserCodeError that shows lines of the user's code, and none of this project.

    Args:
        setting: the setting that names the code.
        text: its value.
        action: what the code was asked to do, as in "cannot build the network".
        unless: further errors that are raised as they are.
    """
    try:
        yield
    except (SettingsError, unless):
        raise
    except (Exception, SystemExit) as error:
        if _is_own_exit(error):
            raise
        raise UserCodeError(setting_error(setting, text, f"{action}: {describe(error)}")) from None


@contextmanager
def errors_of_files(references: Sequence[FileReference]) -> Iterator[None]:
    """Raise the block's errors that come from one of these files as a UserCodeError, and others as they are."""
    try:
        yield
    except (Exception, SystemExit) as error:
        files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
        for reference in references:
            if str(reference.path) in files and not _is_own_exit(error):
                problem = f"fails while it trains: {describe(error)}"
                raise UserCodeError(setting_error(reference.setting, reference.text, problem)) from None
        raise


def _is_own_exit(error: BaseException) -> bool:
    """Return whether this project ends the process, as after SIGTERM, and not the user's code, as by `sys.exit()`."""
    return isinstance(error, SystemExit) and traceback.extract_tb(error.__traceback__)[-1].filename.startswith(PROJECT)


def describe(error: BaseException) -> str:
    """Return an error with the user's lines of code that led to it, without those of this project and of packages."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error)).strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(OTHER_CODE)]
    lines = "".join(traceback.format_list(frames)).rstrip()
    summary = "".join(traceback.format_exception_only(error)).strip()
    return f"{summary}\n{lines}" if lines else summary


def provide_files(files: Mapping[str, bytes]) -> None:
    """Use these contents, by the settings' values that name them, for files of another machine."""
    _provided.update(files)


@cache
def _read_once(setting: str, text: str, path: Path) -> bytes:
    """Return a file's content, as this process read it first, so that the digest is that of the code that runs."""
    return read_file(setting, text, path)


def _run_file(reference: FileReference) -> ModuleType:
    return _run_content(reference, reference.content)


@contextmanager
def _no_files_beside(reference: FileReference) -> Iterator[None]:
    """Raise the import of another file of the same folder as a SettingsError that says what to do."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        beside = [reference.path.with_name(f"{name}.py"), reference.path.with_name(name or "-")]
        if not any(path.exists() for path in beside):
            raise
        problem = (
            f": {reference.path.name} imports {quote(name)} from its own folder, whose content would not be part of a "
            "training's identity; put all of the code into one file, or install the rest as a package."
        )
        raise SettingsError(setting_error(reference.setting, reference.text, problem)) from None


@cache
def _run_content(reference: FileReference, content: bytes) -> ModuleType:
    name = f"lrstudy_user_code_{hashlib.sha256(content).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, reference.path)
    module = ModuleType(name) if spec is None else importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look up a class's module there
    with user_errors(reference.setting, reference.text, "cannot be run"), _no_files_beside(reference):
        exec(compile(content, str(reference.path), "exec"), module.__dict__)  # noqa: S102 - the user's own file
    return module
