"""The settings of comparing the trainings of a table."""

import warnings

from pydantic import BaseModel, ConfigDict, Field

from lrstudy.answer.defaults import CONFIDENCE, DELTA
from lrstudy.settings.fields import Confidence, Delta, UserPath

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # pydantic's models have an old method of the name json

    class CompareSettings(BaseModel):
        """The settings of comparing the trainings of a table."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        table: UserPath = Field(
            description="CSV file with a row per training: columns optimizer, lr, seed, val_loss, and where known "
            "val_accuracy, test_accuracy, verdict; or an export of MLflow's runs"
        )
        delta: Delta = DELTA
        confidence: Confidence = CONFIDENCE
        json: bool = Field(False, description="print the answer as JSON")  # type: ignore[assignment]
