"""Studies, which are many trainings, and the single training; the driver of each imports no PyTorch.

`commands` parses the command line of a study, and `run_study` runs it. The `preflight` runs in a worker and
reports what the specification of a training needs. A proposer, `grid` or `search`, proposes trainings by Optuna, and
`trial_runner` runs them on the workers of `executors`: it takes each trial from `trial_queue`, which claims its run on
the server (`trial_claims`), submits it to `running_trials`, reports its epochs as they arrive on the `progress_channel`
(`epoch_reporter`), and logs its end (`trial_logging`). `best_artifacts` logs the pictures and the model of the best
trial. `run_training` runs a single training.
"""
