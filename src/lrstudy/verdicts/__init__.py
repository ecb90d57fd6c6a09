"""Judge trainings by their scores and curves; all functions are pure.

`chance_level` shows whether a training has learned, `convergence` whether it has converged, `causes` explains its
verdict in words, and `of_seeds` returns the verdict that stands for several seeds. The verdict on one curve is that of
`lrstudy.training.verdict`.
"""
