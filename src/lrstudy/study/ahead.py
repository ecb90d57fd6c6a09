"""What workers need, imported once, in the process that they are forked from."""

import sys

from lrstudy.quick_start import quick_start

with quick_start():
    # Where pandas is installed, scikit-learn imports it, for its frames: there are none here, and it takes a while.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    import sklearn.datasets
    import sklearn.model_selection

    del sys.modules["pandas"]

    import lrstudy.study.survey
    import lrstudy.study.trial

__all__ = ["lrstudy", "sklearn"]
