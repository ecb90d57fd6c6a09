"""Studies, which are many trainings, and the single training; the driver of each imports no PyTorch.

`commands` parses the command line of a study, and `run_study` runs it. The `preflight` runs in the `helper_worker` and
measures what a training needs, from which the study is `estimate`d; `data_messages` and `display` print, and
`finish_study` logs the end. Studies with the same `study_identity` share trainings. A proposer, `grid`, `search` (with
its `initial_draws`) or `decide`, proposes trainings, and `trial_runner` runs them on the workers of `executors`: it
takes each trial from `trial_queue`, which claims its run on the server (`trial_claims`), submits it to
`running_trials`, reports its epochs as they arrive on the `progress_channel` (`epoch_reporter`), and logs its end
(`trial_logging`). On GPUs, the workers are those of a `gpu_pool`. `conclusion` judges the results by the statistics of
their `trial_outcomes`, and `best_artifacts` logs the pictures and the model of the best trial. `run_decision` chooses
the length of a decision's trainings by a `pilot` and gives it a `budget`. `run_training` runs a single training, whose
`kept_files` survive a failure.
"""
