"""Every setting of the commands, declared once, as frozen and validated records.

`fields` has the types and checks of single settings; `training`, `recipe`, `registration`, `study`, `decide`,
`compare`, `predict`, `reproduce`, `sync` and `report` declare those of the commands; `mlproject` writes `MLproject`
from them.
"""

from lrstudy.settings.compare import CompareSettings
from lrstudy.settings.decide import DecideSettings
from lrstudy.settings.predict import PredictSettings
from lrstudy.settings.recipe import RecipeSettings
from lrstudy.settings.reproduce import ReproduceSettings
from lrstudy.settings.study import GridSettings, SearchSettings, StudySettings
from lrstudy.settings.sync import SyncSettings
from lrstudy.settings.training import DATA_SETTINGS, CommonSettings, OptimizerChoice, TrainSettings, parameters

__all__ = [
    "DATA_SETTINGS",
    "CommonSettings",
    "CompareSettings",
    "DecideSettings",
    "GridSettings",
    "OptimizerChoice",
    "PredictSettings",
    "RecipeSettings",
    "ReproduceSettings",
    "SearchSettings",
    "StudySettings",
    "SyncSettings",
    "TrainSettings",
    "parameters",
]
