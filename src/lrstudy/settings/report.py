"""The settings of the report and of its single figures."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lrstudy.settings.fields import NotBlank


class RunsSettings(BaseModel):
    """The settings that choose the runs to read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: NotBlank | None = Field(None, description="all trainings of this experiment, by its name or id")
    study: NotBlank | None = Field(
        None, description="the trainings of this study, by its run id; the latest by default"
    )


class ReportSettings(RunsSettings):
    """The settings of a report: the runs to read and the folder to write."""

    out: Path = Field(Path("report"), description="the folder to write to")
    log: bool = Field(False, description="attach the report to the study's run")


class FigureSettings(RunsSettings):
    """The settings of a single figure: the runs to read and the file to write."""

    out: Path | None = Field(None, description="an SVG, PNG or PDF file; the figure's name with .svg by default")


class CurvesSettings(FigureSettings):
    """The settings of one optimizer's loss curves."""

    optimizer: NotBlank | None = Field(None, description="the optimizer to draw; that of the best training by default")
