"""The settings of sending queued log calls."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lrstudy.settings.fields import NotBlank


class SyncSettings(BaseModel):
    """The settings of sending queued log calls; by default all are sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    list: bool = Field(False, description="list the queued calls, and send none")
    discard: NotBlank = Field("none", description="id of queued calls to discard, as list prints it; none: send")

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.list and self.discard != "none":
            raise ValueError("list and discard exclude each other; list first, then discard.")
        return self
