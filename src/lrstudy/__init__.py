"""Tracked trainings of image classifiers that answer which optimizer to use, which learning rate, and why.

The data flows one way. The command line becomes frozen `settings`; they name a data set, which `data` turns into uint8
images, labels and a split; `training` yields one record per epoch, which `tracking` logs to MLflow; `plots` draws the
figures of a training. A `study` runs many trainings; `report` reads them from MLflow; `compare` reads any other table;
all three answer by `statistics`. `compat` holds every use of another library's private parts. The docstring of each
package describes its modules.

The way of one setting, `--lr 0.1`: `cli.command_line.parse` puts it into `settings.TrainSettings`,
`training.plan.TrainingPlan.optimizer` builds the optimizer with it, and `training.loop.train_epochs` yields the losses.
`tracking.training_run.log_setup` logs it as the parameter `lr` of a run, and `log_epochs` of `tracking.tracked_run`
the losses as metrics. `report.grouping.group_runs` collects the runs with this learning rate in a `Cell`,
`report.tables.cells_table` makes it a row, and `report.figures.sweep` draws the row as a point.

All packages share the `cli`, which is the command line and the terminal, the `verdicts`, which judge curves, the
`answer` in words, and the modules beside them: the tables of `optimizers`, `networks` and `schedules`, with the
`user_code` of a user's own files and `pretrained` weights; `figure_layout`, which places the parts of a figure;
`image_losses` and `run_artifacts`, files of runs; and the `errors` of every command.
"""
