"""The error about a parameter that a command does not have, with the one that the user may have meant."""

from __future__ import annotations

from pydantic import BaseModel

from lrstudy.formatting import join_and, join_or, quote
from lrstudy.settings.mlproject import ENTRY_POINTS
from lrstudy.spelling import similar_settings

# A word processor turns two dashes into a longer one.
DASHES = "-–—"


def unknown_parameter(settings: type[BaseModel], text: str) -> str:
    """Return the sentence on an argument, such as `--learning-rate=0.1`, that names none of the `settings`."""
    name, equals, value = text.lstrip(DASHES).partition("=")
    known = list(settings.model_fields)
    similar = similar_settings(name, known)
    # What was meant is shown as an option where the argument does not have the form of one.
    names = similar if text.startswith("--") else [f"--{setting}{equals}{value}" for setting in similar]
    elsewhere = [point for point, (_, other) in ENTRY_POINTS.items() if name.replace("-", "_") in other.model_fields]
    if elsewhere and name.replace("-", "_") not in known:
        points = f"entry point{'s' * (len(elsewhere) > 1)} {join_and(elsewhere)}"
        hint = f"; did you mean {join_or([*map(quote, names)])}?" if names else "."
        return f"{quote(text)} is a parameter of the {points}, and not of this one{hint}"
    hint = f"did you mean {join_or([*map(quote, names)])}?" if names else f"it must be {join_or([*map(quote, known)])}."
    return f"{quote(text)} is not a known parameter; {hint}"
