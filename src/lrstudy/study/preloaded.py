"""What workers need, imported once, in the process that they are forked from."""

import sys

from lrstudy.compat.interpreter import gc_paused

with gc_paused():
    # Where pandas is installed, scikit-learn imports it, for its frames: there are none here, and it takes a while.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    import sklearn.datasets
    import sklearn.model_selection

    del sys.modules["pandas"]

    import lrstudy.study.preflight
    import lrstudy.study.trial

__all__ = ["lrstudy", "sklearn"]
