"""The setting that registers the model of a training or a study."""

import re
import warnings
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticUndefined

NO_NAME = "none"
MAX_LENGTH = 200


def registered_name(name: str) -> str:
    """Return `name`, or raise ValueError if no registered model can have it, or an address could not name it."""
    if not name.strip() or len(name) > MAX_LENGTH or re.search(r"[/:@%\\]", name) or name != name.strip():
        raise ValueError(
            f"is not a name for a registered model: it must have 1 to {MAX_LENGTH} characters, none of them / : @ % "
            "or \\, and no blank at either end."
        )
    return name


with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # pydantic's models are classes that can `register` others

    class RegistrationSettings(BaseModel):
        """The setting that registers the model of a training or a study."""

        register: Annotated[str, AfterValidator(registered_name)] = Field(
            NO_NAME,
            description="name in MLflow's registry for the best model, which becomes its champion; none: no entry",
        )


# Subclasses would take the method of this name, which all classes of pydantic have, for the field's default.
RegistrationSettings.register = PydanticUndefined  # type: ignore[assignment]
