"""The identity of a study: studies with the same one propose the same trials and share a study file."""

from __future__ import annotations

import hashlib
import json

from mlflow.entities import Run

from lrstudy.server_names import DECISION, GRID, STUDY
from lrstudy.settings import StudySettings, parameters
from lrstudy.study.study_run import StudyRun
from lrstudy.training.specification import StudyContext

# Settings that change how a study runs, how far it extends or what becomes of its models, but not which trials it
# proposes; and settings that the digest of the data covers.
NOT_OF_IDENTITY = {
    *("workers", "log_models", "study_file", "trials", "seeds", "extend", "layout", "duplicates", "groups"),
    *(
        "minutes",
        "trainings",
        "splits",
        "delta",
        "confidence",
        "diagnose",
        "cluster",
        "checkpoints",
        "keep",
        "register",
    ),
}
# Settings that say how far a study goes, and what its answer allows.
EXTENT = ("trials", "seeds", "extend", "minutes", "trainings", "delta", "confidence")


def study_identity(kind: str, settings: StudySettings, context: StudyContext, search_window: int) -> str:
    """Return the identity of a study: only studies with the same one propose the same trials and share a study file."""
    of_study = {name: value for name, value in parameters(settings).items() if name not in NOT_OF_IDENTITY}
    parts = [
        kind,
        context.data.digest,
        context.device,
        context.threads,
        of_study,
        search_window if kind != GRID else 0,
        *([sorted(context.code.values())] if context.code else []),
        *([settings.delta, settings.confidence] if kind == DECISION else []),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def repeated_studies(study: StudyRun, settings: StudySettings) -> list[Run]:
    """Return the earlier studies with the same settings, which have logged the same trials."""
    extent = {name: value for name, value in parameters(settings).items() if name in EXTENT}
    return [
        run
        for run in study.known_runs
        if run.data.tags.get(STUDY) == study.identity
        and run.info.status == "FINISHED"
        and extent.items() <= run.data.params.items()
    ]
