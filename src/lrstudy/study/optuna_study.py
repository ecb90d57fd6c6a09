"""Optuna's side of a study: its storage, a journal file, and the trials that it proposes.

The tracking server is the source of truth. Optuna's studies are created anew at each start; they get the results that
are on the server as they propose the same trials again. Their file is for Optuna's own tools.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lrstudy.compat.optuna_internals import silence_optuna
from lrstudy.errors import SettingsError
from lrstudy.study.trial_result import TrialResult
from lrstudy.user_files import written_path

IDENTITY = "lrstudy.identity"
ARTIFACT = "optuna_study.log"


@dataclass(frozen=True)
class StudyFile:
    """A new journal file for the Optuna studies of a study; `identity` distinguishes it from other studies."""

    path: Path
    storage: JournalStorage
    identity: str

    def create(self, name: str, sampler: BaseSampler, pruner: optuna.pruners.BasePruner) -> optuna.Study:
        """Create an Optuna study in the file, which minimises."""
        study = optuna.create_study(storage=self.storage, study_name=name, sampler=sampler, pruner=pruner)
        study.set_metric_names(["validation loss"])
        study.set_user_attr(IDENTITY, self.identity)
        return study


@contextmanager
def study_file(setting: str, identity: str) -> Iterator[StudyFile]:
    """Yield the file that `setting` names, or with `auto` a temporary one, which is deleted after the `with` block.

    Raises:
        SettingsError: the file holds another study or other content, or cannot be written.
    """
    silence_optuna()
    if setting == "auto":
        with tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
            yield _new(Path(folder, ARTIFACT), identity)
        return
    path = written_path(setting)
    if path.is_dir():
        raise SettingsError(f"study_file={setting!r} is not an Optuna study file; use another file.")
    in_use = FileLock(path.with_name(f"{path.name}.in-use"), timeout=0)
    try:
        in_use.acquire()
    except Timeout:
        raise SettingsError(f"study_file={setting!r} is in use by another study; use another file.") from None
    except OSError as error:
        raise SettingsError(f"study_file={setting!r} cannot be written ({error.strerror or error}).") from error
    try:
        yield _emptied(setting, path, identity)
    finally:
        in_use.release()
        Path(in_use.lock_file).unlink(missing_ok=True)


def _emptied(setting: str, path: Path, identity: str) -> StudyFile:
    """Return the file at `path` without the trials of an earlier start of the same study."""
    _check(setting, path, identity)
    try:
        for stale in (path, path.with_name(f"{path.name}.lock")):
            stale.unlink(missing_ok=True)
        return _new(path, identity)
    except OSError as error:
        raise SettingsError(f"study_file={setting!r} cannot be written ({error.strerror or error}).") from error


def _new(path: Path, identity: str) -> StudyFile:
    return StudyFile(path, JournalStorage(JournalFileBackend(str(path))), identity)


def _check(setting: str, path: Path, identity: str) -> None:
    """Raise an error unless the file is missing or belongs to the same study."""
    try:
        if not path.exists():
            return
        if not path.is_file() or not path.stat().st_size:
            raise ValueError
        storage = JournalStorage(JournalFileBackend(str(path)))
        studies = storage.get_all_studies()
        if not studies:
            raise ValueError
    except OSError as error:
        raise SettingsError(f"study_file={setting!r} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # A file that is not a journal fails in many ways.
        raise SettingsError(f"study_file={setting!r} is not an Optuna study file; use another file.") from error
    if any(study.user_attrs.get(IDENTITY) != identity for study in studies):
        names = ", ".join(study.study_name for study in studies)
        raise SettingsError(
            f"study_file={setting!r} belongs to another study ({names}), with other data or settings; use another file."
        )


@dataclass
class ProposedTrial:
    """A trial that Optuna has proposed; `reported` is the last epoch that it knows."""

    study: optuna.Study
    trial: optuna.Trial
    reported: int = field(default=-1)

    def report(self, epoch: int, val_loss: float) -> None:
        """Report the validation loss of an epoch, once."""
        if epoch > self.reported:
            self.trial.report(val_loss, epoch)
            self.reported = epoch

    def tell(self, result: TrialResult) -> None:
        """Tell Optuna the result of the trial."""
        for epoch, val_loss in result.curve:
            self.report(epoch, val_loss)
        self.trial.set_user_attr("run_id", result.run_id)
        self.trial.set_user_attr("verdict", result.verdict)
        if result.pruned:
            self.study.tell(self.trial, state=TrialState.PRUNED)
        elif result.verdict:
            self.study.tell(self.trial, result.objective)
        else:
            self.study.tell(self.trial, state=TrialState.FAIL)
