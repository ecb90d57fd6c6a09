"""The parameter of a reproduction, declared as those of a training are."""

from pydantic import BaseModel, ConfigDict, Field

from lrstudy.settings.fields import NotBlank


class ReproduceSettings(BaseModel):
    """What to train again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: NotBlank = Field(description="the run of a training, alone or of a study, to train again and compare with")
