"""A study's trainings on the workers of a Dask cluster; nothing else in this project knows Dask.

`executor` is a study's interface: a `concurrent.futures.Executor` whose tasks run on the workers. `scheduler` is the
connection to Dask. In each worker runs the `agent`, which starts child processes (`child`) that train; both have this
package's code from the driver (`shipped`). `admission` compares the `machines` of workers with the driver's (`checks`),
sends them the data that they lack (`sender`), and chooses the device for all (`pinning`). `workers` says which are
free, `child_tasks` runs a task and notices when its worker is lost, and `progress` brings the epochs of running trials.
"""
