"""One training, from its plan to its result. It knows neither MLflow nor Optuna.

A `plan` has settings, images and device; its `specification` is the same in plain values. `setup` builds network,
optimizer and data splits, with `fine_tuning`, `augmentation`, `recipe` and `weight_average`. `loop` trains and yields
an `epoch` at a time, with the `class_metrics` and `image_results`; `progress` tracks the best epoch and makes the
`result`, of which `verdict` judges the curve and `artifacts` writes the files. A `checkpoint` resumes after a kill.
Beside the loop, the `diagnosis` measures the causes that `verdict_causes` adds to the verdict. On a GPU, `read_ahead`
loads batches that do not fit there, the `passes` through the network are `recorded_passes` (by `cuda_graphs`), and
`gpu_use` measures the memory that several trainings share.
"""
