"""The settings that are part of a training's identity: trainings with the same key are trained once."""

from typing import Any

from lrstudy.settings import DATA_SETTINGS, TrainSettings
from lrstudy.training.specification import StudyContext, TrialSpecification
from made_trials import DATA
from test_mlproject import OTHER_VALUES

# The digest of the data, the device and the threads in use are part of the key, not the settings that lead to them.
BY_RESULT = {*DATA_SETTINGS, "device", "threads"}
WITHOUT_EFFECT = {"diagnose", "keep", "register"}


def key(**changed: Any) -> str:
    settings = TrainSettings.model_construct(**dict(TrainSettings()) | changed)
    context = StudyContext(DATA, "cpu", 1, "a machine", "fp32", code={settings.weights: "digest"})
    of_optimizer = {name: getattr(settings, name) for name in ("lr", "momentum", "weight_decay")}
    return TrialSpecification(settings, context, of_optimizer).key


def test_every_setting_that_changes_a_trainings_numbers_changes_its_key() -> None:
    unchanged = {name for name in TrainSettings.model_fields if key(**{name: OTHER_VALUES[name]}) == key()}
    assert unchanged == BY_RESULT | WITHOUT_EFFECT
