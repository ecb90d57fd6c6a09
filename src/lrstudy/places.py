"""Where on this machine the project keeps what it may lose: all in the user's cache folder."""

from pathlib import Path

from platformdirs import user_cache_path


def cache() -> Path:
    """The folder of all the rest; on Linux `~/.cache/lrstudy`, moved by `XDG_CACHE_HOME`."""
    return user_cache_path("lrstudy")


def checkpoint(key: str) -> Path:
    """The file of a training's checkpoint, by the training's key."""
    return cache() / "checkpoints" / f"{key}.pt"
