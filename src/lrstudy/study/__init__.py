"""Studies, which are many trainings, and the single training; the driver of each imports no PyTorch.

`commands` parses the command line of a study, and `run_study` runs it. The `preflight` runs in the `helper_worker` and
returns the facts that specify and `estimate` the trainings; `data_messages` and `display` print. A proposer, `grid` or
`search` (with its `initial_draws`), proposes trainings by Optuna, and `trial_runner` runs them on the workers of
`executors`: it takes each trial from `trial_queue`, which claims its run on the server (`trial_claims`), submits it to
`running_trials`, reports its epochs as they arrive on the `progress_channel` (`epoch_reporter`), and logs its end
(`trial_logging`). `conclusion` judges the results, and `best_artifacts` logs the pictures and the model of the best
trial. `run_training` runs a single training, whose `kept_files` survive a failure.
"""
