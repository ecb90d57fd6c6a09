"""Write `MLproject` from the settings: `PYTHONPATH=src python -m lrstudy.settings.mlproject`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel

from lrstudy.formatting import format_setting
from lrstudy.settings import (
    CompareSettings,
    DecideSettings,
    GridSettings,
    PredictSettings,
    ReproduceSettings,
    SearchSettings,
    SyncSettings,
    TrainSettings,
)

ENTRY_POINTS: dict[str, tuple[str, type[BaseModel]]] = {
    "main": ("src/train.py", TrainSettings),
    "grid": ("src/grid.py", GridSettings),
    "search": ("src/search.py", SearchSettings),
    "compare": ("src/compare.py", CompareSettings),
    "decide": ("src/decide.py", DecideSettings),
    "predict": ("src/predict.py", PredictSettings),
    "reproduce": ("src/reproduce.py", ReproduceSettings),
    "sync": ("src/sync.py", SyncSettings),
}
# Entry points without settings.
COMMANDS = {
    "test": "ruff check . && ruff format --check . && pytest",
}
PATH = Path(__file__).parents[3] / "MLproject"
LINE_LENGTH = 120
INDENT = " " * 6


def mlproject() -> str:
    """Return the text of `MLproject`, with the parameters of each entry point in the order of its settings."""
    header = "name: learning-rate-study\n\nconda_env: conda.yaml\n\nentry_points:\n"
    blocks = [_with_settings(name, *entry_point) for name, entry_point in ENTRY_POINTS.items()]
    blocks += [f"  {name}:\n    command: {command}\n" for name, command in COMMANDS.items()]
    return header + "\n".join(blocks)


def _with_settings(name: str, script: str, settings: type[BaseModel]) -> str:
    schema = settings.model_json_schema()["properties"]
    lines = [f"  {name}:", "    parameters:"]
    for field_name, field in settings.model_fields.items():
        kind = "float" if schema[field_name].get("type") in ("integer", "number") else "string"
        default = "" if field.is_required() else f", default: {_yaml(field.default)}"
        lines.append(f"{INDENT}{field_name}: {{type: {kind}{default}}}")
    command = [f"python {script}", *(f"--{field_name} {{{field_name}}}" for field_name in settings.model_fields)]
    one_line = f"    command: {' '.join(command)}"
    lines += (
        [one_line] if len(one_line) <= LINE_LENGTH else ["    command: >-", INDENT + command[0], *_wrap(command[1:])]
    )
    return "\n".join(lines) + "\n"


def _wrap(options: list[str]) -> list[str]:
    """Return lines of options, none broken."""
    lines = [INDENT + options[0]]
    for option in options[1:]:
        if len(lines[-1]) + 1 + len(option) <= LINE_LENGTH:
            lines[-1] += f" {option}"
        else:
            lines.append(INDENT + option)
    return lines


def _yaml(default: object) -> str:
    """Return a default as YAML reads it back: `1e-05` would be text, `false` not text, and a comma the next entry."""
    if isinstance(default, float):
        return f"{Decimal(repr(default)).normalize():f}"
    text = format_setting(default)
    return f'"{text}"' if "," in text or isinstance(default, bool) else text


if __name__ == "__main__":
    PATH.write_text(mlproject(), encoding="utf-8")
