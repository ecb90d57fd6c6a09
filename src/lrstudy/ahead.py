"""What workers need, imported once, in the process that they are forked from."""

from lrstudy.quick_start import quick_start

with quick_start():
    import matplotlib.figure
    import sklearn.datasets
    import sklearn.model_selection

    import lrstudy.survey
    import lrstudy.trial

__all__ = ["lrstudy", "matplotlib", "sklearn"]
