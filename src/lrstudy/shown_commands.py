"""The beginning of the commands that are printed for the user to run next."""

MLFLOW_RUN = "mlflow run . --env-manager uv"
