"""One training: networks, optimizers, the loop, what came of it. It knows neither MLflow nor Optuna.

A `plan` has settings, images and machine; its `description` is what is known before the beginning, in plain values. An
`experiment` puts network, optimizer and parts of the data together, the `loop` trains, `watch` follows it to its
`result`, of which a `verdict` is drawn and `artifacts` are made. A `checkpoint` has it go on after a kill.
"""
