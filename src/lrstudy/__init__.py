"""Which optimizer, which learning rate, and why: one tracked training of an image classifier.

The data flows one way. The command line becomes frozen `settings`; they name a data set, which `data` turns into
uint8 images, labels and a split; `training.fit` yields one record an epoch; `tracking` writes what it yields to
MLflow. `training` knows nothing of MLflow, and only `tracking` writes to the server.
"""
