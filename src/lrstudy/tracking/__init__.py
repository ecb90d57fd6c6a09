"""Logging to the MLflow tracking server, and reading from it.

A call to the server is a record of `calls`. The `outbox` queues calls, its `sender` thread sends them by `delivery`;
while the server is unavailable they are stored in a `journal`, which `sync` sends later if the process has ended.
`held_calls` are those whose files cannot be stored; all others are sent. `training_run`, `tracked_run` and
`logged_model` log a training, after checks of the `artifact_store` and of the `opened_run` of `mlflow run`. `claims`
finds abandoned runs and claims them, and `recorded_training` reads a run so that `reproduction` can train it again.
"""
