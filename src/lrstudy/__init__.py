"""Which optimizer, which learning rate, and why: tracked trainings of image classifiers.

The data flows one way. The command line becomes frozen `settings`; they name a data set, which `data` turns into
uint8 images, labels and a split; `training.fit` yields one record an epoch; `tracking` writes what it yields to
MLflow. `training` knows nothing of MLflow, and only `tracking` writes to the server.

A study is many trainings: `study_settings` says what it varies, `study` runs its trials on `workers`, each of which
does one `trial` at a time; `study_tracking` finds what the server has of it already.
"""
