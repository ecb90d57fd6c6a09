"""The setting of a reproduction."""

from pydantic import BaseModel, ConfigDict, Field

from lrstudy.settings.fields import NotBlank


class ReproduceSettings(BaseModel):
    """The setting of a reproduction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: NotBlank = Field(description="the run of a training, alone or of a study, to train again and compare with")
