"""Red first when MLflow changes a private part that the project uses."""

import getpass

from lrstudy.compat import mlflow_internals


def test_mlflow_resolves_the_tags_of_the_running_program() -> None:
    tags = mlflow_internals.source_tags()
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.source.name"]
