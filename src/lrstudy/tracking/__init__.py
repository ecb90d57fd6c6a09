"""What the tracking server is told, and what it is asked.

What it is told is a record of `calls`. The `outbox` takes them and makes them in order, by `delivery`; while the server
is away they wait in a `journal`, which `sending` sends later if the process has ended. `training_run` and `run_model`
say what they are, to a `tracked_run`. Of what is there already `claims` says which runs nobody is at any more, and
`recorded` reads one to train it again.
"""
