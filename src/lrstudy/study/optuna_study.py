"""Optuna's side of a study: its file, and how it is told what came of the trials that it proposed.

MLflow's server is the truth. Optuna's studies are made anew at each start, and are told what is on the server as they
propose it again; their file is for Optuna's own tools.
"""

from __future__ import annotations

import tempfile
import warnings
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

from lrstudy.errors import SettingsError
from lrstudy.study.trial_result import TrialResult

IDENTITY = "lrstudy.identity"
ARTIFACT = "optuna_study.log"


@dataclass(frozen=True)
class StudyFile:
    """A new file of Optuna's, for the studies of one of ours; `identity` tells it from others."""

    path: Path
    storage: JournalStorage
    identity: str

    def create(self, name: str, sampler: BaseSampler, pruner: optuna.pruners.BasePruner) -> optuna.Study:
        """A study in the file, which is to be minimised."""
        study = optuna.create_study(storage=self.storage, study_name=name, sampler=sampler, pruner=pruner)
        study.set_metric_names(["validation loss"])
        study.set_user_attr(IDENTITY, self.identity)
        return study


@contextmanager
def study_file(setting: str, identity: str) -> Iterator[StudyFile]:
    """The file that `setting` names, or with `auto` one that is gone when the `with` block ends.

    Raises:
        SettingsError: it holds another study, or something else, or cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Of the quasi-random sampler, of what its trials know of each other, of names for values: all long in use.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    if setting == "auto":
        with tempfile.TemporaryDirectory(prefix="lrstudy-") as folder:
            yield _new(Path(folder, ARTIFACT), identity)
        return
    path = Path(setting).expanduser()
    if not path.name:  # such as `.`
        raise SettingsError(f"study_file={setting}: this is no study file of Optuna's; name another file.")
    in_use = FileLock(path.with_name(f"{path.name}.in-use"), timeout=0)
    try:
        in_use.acquire()
        _check(path, identity)
        for stale in (path, path.with_name(f"{path.name}.lock")):
            stale.unlink(missing_ok=True)
        made = _new(path, identity)
    except Timeout:
        raise SettingsError(f"study_file={setting}: another study is writing it; name another file.") from None
    except OSError as error:
        raise SettingsError(f"study_file={setting}: it cannot be written ({error.strerror or error}).") from error
    try:
        yield made
    finally:
        in_use.release()
        Path(in_use.lock_file).unlink(missing_ok=True)


def _new(path: Path, identity: str) -> StudyFile:
    return StudyFile(path, JournalStorage(JournalFileBackend(str(path))), identity)


def _check(path: Path, identity: str) -> None:
    """Refuses to write over anything but a file of the same study."""
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
        raise SettingsError(f"study_file={path}: it cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # what is no journal fails in many ways
        raise SettingsError(f"study_file={path}: this is no study file of Optuna's; name another file.") from error
    if any(study.user_attrs.get(IDENTITY) != identity for study in studies):
        names = ", ".join(study.study_name for study in studies)
        raise SettingsError(
            f"study_file={path}: it is of another study ({names}), with other data or settings; name another file."
        )


@dataclass
class ProposedTrial:
    """A trial that Optuna has proposed, and the last epoch that it was told of."""

    study: optuna.Study
    trial: optuna.Trial
    reported: int = field(default=-1)

    def report(self, epoch: int, val_loss: float) -> None:
        """Tells Optuna of an epoch, once."""
        if epoch > self.reported:
            self.trial.report(val_loss, epoch)
            self.reported = epoch

    def tell(self, done: TrialResult) -> None:
        """Tells Optuna how the trial ended."""
        for epoch, val_loss in done.curve:
            self.report(epoch, val_loss)
        self.trial.set_user_attr("run_id", done.run_id)
        self.trial.set_user_attr("verdict", done.verdict)
        if done.pruned:
            self.study.tell(self.trial, state=TrialState.PRUNED)
        elif done.verdict:
            self.study.tell(self.trial, done.objective)
        else:
            self.study.tell(self.trial, state=TrialState.FAIL)
