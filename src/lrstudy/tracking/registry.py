"""Register a model of a run in MLflow's registry, and mark it as the champion."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

CHAMPION = "champion"


def champion_uri(name: str) -> str:
    """Return the address of a registered model's champion."""
    return f"models:/{name}@{CHAMPION}"


def register_champion(
    client: MlflowClient, name: str, model_id: str, run_id: str, tags: Mapping[str, str], description: str
) -> str:
    """Register a logged model as the champion of `name`, and return its version; an earlier champion keeps its own.

    A model that is registered under this name already keeps its version.

    Args:
        client: of the server.
        name: of the registered model, which is created if there is none.
        model_id: of the logged model.
        run_id: of the run that it was trained in.
        tags: of the version.
        description: of the version, in Markdown.

    Raises:
        MlflowException: the server has no registry, or rejects a call.
    """
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = _existing(client, name, model_id) or client.create_model_version(
        name, f"models:/{model_id}", run_id, model_id=model_id
    )
    for key, value in tags.items():
        client.set_model_version_tag(name, version.version, key, value)
    client.update_model_version(name, version.version, description)
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)


def _existing(client: MlflowClient, name: str, model_id: str) -> ModelVersion | None:
    versions = client.search_model_versions(f"name = '{name}'")
    return next((version for version in versions if version.source == f"models:/{model_id}"), None)
