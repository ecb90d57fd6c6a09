"""Every setting of the commands, declared once, as frozen and validated records."""

from lrstudy.settings.reproduce import ReproduceSettings
from lrstudy.settings.study import GridSettings, SearchSettings, StudySettings
from lrstudy.settings.training import CommonSettings, TrainSettings, parameters

__all__ = [
    "CommonSettings",
    "GridSettings",
    "ReproduceSettings",
    "SearchSettings",
    "StudySettings",
    "TrainSettings",
    "parameters",
]
