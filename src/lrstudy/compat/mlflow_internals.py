"""Private parts of MLflow that the project uses, and the switches by which it changes MLflow for the whole process."""

from __future__ import annotations

from functools import cache


@cache
def source_tags() -> dict[str, str]:
    """Return MLflow's tags on the running program: its name, its git commit, its user.

    Reason: `mlflow.start_run` adds them, `MlflowClient.create_run`, which opens the trials of a study, does not.
    Seen to work with MLflow 3.17.2. Without it, a trial's run shows no source, commit or user in the UI.
    """
    from mlflow.tracking.context.registry import resolve_tags

    tags: dict[str, str] = resolve_tags()
    return tags
