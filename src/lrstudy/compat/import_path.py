"""Keep Python from importing modules of the current folder, which may have a `random.py`. Seen in CPython 3.11.

An empty entry of `PYTHONPATH`, which `PYTHONPATH=$PYTHONPATH:/a/folder` often has, is the current folder. Interpreters
that run neither a script nor a module look there first, such as multiprocessing's own processes.
"""

import os
import sys


def exclude_current_folder() -> None:
    """Remove the current folder from this process's import path if an empty entry of `PYTHONPATH` added it."""
    entries = _entries()
    try:
        folder = os.getcwd()  # noqa: PTH109 - pathlib would be imported from there
    except FileNotFoundError:
        return
    if len(entries) > len(_intended(entries)) and folder not in entries:
        # The first place is the script's own folder.
        sys.path[1:] = [place for place in sys.path[1:] if place not in ("", folder)]


def exclude_current_folder_in_children(*first: str) -> None:
    """Do the same for the interpreters that this process starts, and put `first` at the front of their import path."""
    os.environ["PYTHONSAFEPATH"] = "1"
    places = [*first, *_intended(_entries())]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(places))


def _entries() -> list[str]:
    path = os.environ.get("PYTHONPATH")
    return path.split(os.pathsep) if path else []


def _intended(entries: list[str]) -> list[str]:
    return [entry for entry in entries if os.path.normpath(entry) != "."]


exclude_current_folder()
