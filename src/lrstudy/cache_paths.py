"""Files on this machine that the project can lose without harm, all in the user's cache folder."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

# The variable that holds the folder of checkpoints; a study sets it for itself and its workers.
CHECKPOINTS = "LRSTUDY_CHECKPOINTS"


def cache_folder() -> Path:
    """Return the folder of all other paths; on Linux `~/.cache/lrstudy`, unless `XDG_CACHE_HOME` moves it."""
    return user_cache_path("lrstudy")


def checkpoint(run_id: str) -> Path:
    """Return the path of the checkpoint of a run, in a folder that the environment may name."""
    folder = Path(os.environ[CHECKPOINTS]) if CHECKPOINTS in os.environ else cache_folder() / "checkpoints"
    return folder / f"{run_id}.pt"


def epoch_times(run_id: str) -> Path:
    """Return the path of the times at which a run's epochs were first logged, beside its checkpoint."""
    return checkpoint(run_id).resolve().with_suffix(".times")


def copy_checkpoint(from_run: str, to_run: str) -> None:
    """Copy the checkpoint of a run to another run, as a whole or not at all."""
    unfinished = checkpoint(to_run).with_suffix(".copy")
    with suppress(OSError):  # without a checkpoint, training starts over
        shutil.copyfile(checkpoint(from_run), unfinished)
        unfinished.replace(checkpoint(to_run))


def link_checkpoint(of_run: str, name: str) -> None:
    """Link the checkpoint of a run, which may be written later, to another name of the run."""
    link = checkpoint(name)
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(checkpoint(of_run).name)


def remove_checkpoint(run_id: str) -> None:
    """Remove the checkpoint of a run that has ended, and the unfinished files of one that was being written."""
    named = checkpoint(run_id)
    with suppress(OSError):
        for path in (named.resolve(), named):
            for file in path.parent.iterdir():
                if file.stem == path.stem:
                    file.unlink(missing_ok=True)
