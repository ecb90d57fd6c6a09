"""The parameters of a run as the user typed them; `mlflow run` logs them quoted for the shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from lrstudy.server_names import ENTRY_POINT


def unquoted_parameters(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a run without MLflow's quotes: `my images` for `'my images'`.

    Args:
        params: of the run.
        tags: of the run, one of which shows that `mlflow run` opened it.
    """
    return {name: _unquoted(value) for name, value in params.items()} if ENTRY_POINT in tags else dict(params)


def _unquoted(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 and shlex.quote(words[0]) == text else text
