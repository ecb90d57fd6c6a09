"""Which optimizer, which learning rate, and why: tracked trainings of image classifiers.

The data flows one way. The command line becomes frozen `settings`; they name a data set, which `data` turns into
uint8 images, labels and a split; `training.fit` yields one record an epoch; `tracking` writes what it yields to
MLflow. `training` knows nothing of MLflow. `claims` says which runs nobody is at any more; a training alone that was
killed goes on from its `checkpoint`, in the run that `earlier_start` finds. `recorded` reads a training from the server
and `reproduction` compares it with one that is done again.

What the server is told is a `call`. The `outbox` takes calls and makes them in order, by `delivery`; while it is away
they wait in a `journal`, which `sending` sends later if the process has ended. `tracking` says what they are.

A study is many trainings, and its driver, `conduct`, imports no PyTorch: a worker's `survey` tells it the facts that a
training's `description` needs. `grid` or `search` proposes trainings, by Optuna; `study` runs them on `workers`, each
of which does one `trial` at a time and writes to the driver's `mailbox` as it goes on; `study_tracking` claims their
runs on the server and finds what is there already; `show` has the best one's pictures and model made.
"""
