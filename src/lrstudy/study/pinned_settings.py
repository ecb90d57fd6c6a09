"""Settings that are fixed for a task, such as the device that it runs on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lrstudy.settings import TrainSettings
from lrstudy.study.trial_job import TrialJob


def pin_settings(argument: Any, **fixed: Any) -> Any:
    """Return an argument of a task with these values in its settings; any other argument as it is."""
    if isinstance(argument, TrainSettings):
        return argument.model_copy(update=fixed)
    if isinstance(argument, TrialJob):
        return replace(argument, settings=pin_settings(argument.settings, **fixed))
    if type(argument) in (list, tuple):  # a named tuple has no settings, and takes its values one by one
        return type(argument)(pin_settings(item, **fixed) for item in argument)
    return argument
