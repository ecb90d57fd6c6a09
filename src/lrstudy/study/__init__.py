"""Studies, which are many trainings, and the single training; the driver of each imports no PyTorch.

The `preflight` runs in a worker and reports what the specification of a training needs. `grid` or `search` proposes
trainings, by Optuna; `trial_runner` runs them on the workers of `executors`, each of which does one `trial` at a time
and reports on the `progress_channel`; `study_run` claims their runs on the server and finds existing ones;
`best_artifacts` has the figures and the model of the best one made. `run_study` puts these together; `run_training`
does so for a single training.
"""
