"""The settings of comparing the trainings of a table."""

import warnings

from pydantic import BaseModel, ConfigDict, Field

from lrstudy.settings.fields import Finite, UserPath

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # pydantic's models have an old method of the name json

    class CompareSettings(BaseModel):
        """The settings of comparing the trainings of a table."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        table: UserPath = Field(
            description="CSV file with a row per training: columns optimizer, lr, seed, val_loss, and where known "
            "val_accuracy, test_accuracy, verdict; or an export of MLflow's runs"
        )
        delta: Finite = Field(0.05, gt=0, le=1, description="difference that does not matter, as a share of the loss")
        confidence: Finite = Field(
            0.95, ge=0.5, le=0.99, description="that a sure answer is right, and that all intervals hold together"
        )
        json: bool = Field(False, description="print the answer as JSON")  # type: ignore[assignment]
