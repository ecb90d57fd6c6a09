"""Which optimizer, which learning rate, and why: tracked trainings of image classifiers.

The data flows one way. The command line becomes frozen `settings`; they name a data set, which `data` turns into
uint8 images, labels and a split; `training` yields one record an epoch; `tracking` writes what it yields to MLflow, and
`pictures` draws it. A `study` is many trainings. Each of these packages says more at its own top.
"""
