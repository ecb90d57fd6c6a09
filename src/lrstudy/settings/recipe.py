"""The settings of a recipe: schedule, augmentation, loss, steps and precision; by default none has an effect."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from lrstudy.formatting import did_you_mean, join_and, setting_error
from lrstudy.pretrained import NONE
from lrstudy.schedules import SCHEDULES
from lrstudy.settings.fields import MAX_EPOCHS, MAX_FLOAT, Finite, FlushDenormal, LearningRate, UserPath


def known_schedule(name: str) -> str:
    """Return `name`, or raise ValueError if it is not the name of a schedule."""
    if name not in SCHEDULES:
        raise ValueError(f"is not a known schedule; {did_you_mean(name, list(SCHEDULES))}")
    return name


class RecipeSettings(BaseModel):
    """The settings of a recipe; with their defaults, a training is plain: one learning rate, plain cross-entropy."""

    schedule: Annotated[str, AfterValidator(known_schedule)] = Field(
        "constant", description=f"learning rate per step, lr being the peak: {join_and(list(SCHEDULES))}"
    )
    warmup: Annotated[Finite, Field(ge=0, le=MAX_EPOCHS)] = Field(
        0.0, description="epochs, also fractions, in which the learning rate rises to its peak"
    )
    augment: Literal["none", "flip", "crop", "standard", "trivial"] = Field(
        "none",
        description="random changes of the training images: none, flip, crop, standard (both and colours) or "
        "trivial (TrivialAugmentWide)",
    )
    decay: Literal["all", "matrices"] = Field(
        "all", description="weights with weight decay: all, or matrices, without biases and normalisation layers"
    )
    label_smoothing: Annotated[Finite, Field(ge=0, lt=1)] = Field(
        0.0, description="share of each label spread over all classes, in the loss that is trained"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: in the loss that is trained, each class counts equally"
    )
    clip_norm: Annotated[Finite, Field(ge=0, le=MAX_FLOAT), FlushDenormal] = Field(
        0.0, description="largest norm of a step's gradient; 0: no limit"
    )
    patience: int = Field(0, ge=0, le=MAX_EPOCHS, description="end after this many epochs without improvement; 0: off")
    ema: Annotated[Finite, Field(ge=0, lt=1)] = Field(
        0.0, description="decay per step of averaged weights, kept beside the others; 0: no average"
    )
    precision: Literal["auto", "fp32", "tf32", "bf16"] = Field(
        "auto", description="arithmetic of training: torch's default, fp32, tf32 (CUDA) or bf16"
    )
    weights: UserPath = Field(
        NONE,
        description="weights to begin from, with a new last layer: none, default (torchvision's), one of torchvision's "
        "by its name, or a file with a state dict",
    )
    freeze: Literal["none", "backbone"] = Field(
        "none", description="backbone: of a pretrained network, train the last layer alone"
    )
    head_lr: LearningRate = Field(
        1.0, description="factor of the learning rate for the new last layer of a pretrained network"
    )

    @model_validator(mode="after")
    def _fine_tuning_has_no_contradictions(self) -> Self:
        for name in ("freeze", "head_lr"):
            value = getattr(self, name)
            if self.weights == NONE and value != RecipeSettings.model_fields[name].default:
                problem = "has no effect without pretrained weights; use weights=default, or a file."
                raise ValueError(setting_error(name, value, problem))
        if self.freeze == "backbone" and self.head_lr != 1:
            problem = "has no effect beside freeze='backbone', which trains the last layer alone; use head_lr=1."
            raise ValueError(setting_error("head_lr", self.head_lr, problem))
        return self

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings of the recipe that differ from their defaults."""
        fields = RecipeSettings.model_fields
        return {name: value for name, field in fields.items() if (value := getattr(self, name)) != field.default}
