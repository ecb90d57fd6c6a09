"""The imports of workers, done once, in the fork server."""

from lrstudy.compat.interpreter import gc_paused

with gc_paused():
    import sklearn.datasets
    import sklearn.model_selection

    import lrstudy.study.preflight
    import lrstudy.study.trial

__all__ = ["lrstudy", "sklearn"]
