"""A study: many trainings, whose driver, `run_study`, imports no PyTorch.

A worker's `survey` tells the driver the facts that a training's specification needs. `grid` or `search` proposes
trainings, by Optuna; `trials` runs them on `workers`, each of which does one `trial` at a time and writes to the
driver's `mailbox` as it goes on; `study_run` claims their runs on the server and finds what is there already; `show`
has the best one's pictures and model made.
"""
