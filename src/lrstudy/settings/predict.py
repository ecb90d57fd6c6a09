"""The settings of predicting the classes of photographs."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lrstudy.settings.fields import NotBlank, UserPath, known_device


class PredictSettings(BaseModel):
    """The settings of predicting the classes of photographs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: UserPath = Field(description="an image file, or a folder of images, also in folders within it")
    model: NotBlank = Field(
        description="the model: models:/NAME@champion, a model's id, or the run of a training or of a study"
    )
    out: UserPath = Field("predictions.csv", description="CSV file to write, with the class of each image")
    labels: Literal["auto", "folders", "none"] = Field(
        "auto",
        description="folders: the folders in images are the true classes; auto: if they have the classes' names",
    )
    tile: bool = Field(False, description="also write a page of thumbnails with their classes, beside the CSV file")
    device: Annotated[str, AfterValidator(known_device)] = Field("auto", description="cpu, cuda, cuda:N or mps")
