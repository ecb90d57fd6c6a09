"""The command line of a settings class."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lrstudy.errors import SettingsError
from lrstudy.formatting import did_you_mean, format_setting, join_or, printable

Settings = TypeVar("Settings", bound=BaseModel)
MAX_SHOWN = 200


def parse(settings: type[Settings], arguments: list[str]) -> Settings:
    """The settings that `arguments`, such as `["--lr", "0.1"]`, describe.

    Raises:
        SettingsError: an argument is unknown, has no value, or has one that its field refuses.
    """
    values = _values(settings, arguments)
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        # A value that fits none of a field's types is a problem for each of them: one sentence a field, the first.
        problems = reversed(error.errors())
        sentences = {problem["loc"][:1]: _sentence(settings, values, dict(problem)) for problem in problems}
    raise SettingsError("\n".join(reversed(sentences.values())))


def from_parameters(settings: type[Settings], parameters: Mapping[str, str]) -> Settings:
    """The settings that a run's parameters, text as typed, describe; those that are no settings are passed over.

    Raises:
        SettingsError: a value is one that its field refuses.
    """
    known = {name: value for name, value in parameters.items() if name in settings.model_fields}
    return parse(settings, [f"--{name}={value}" for name, value in known.items()])


def _values(settings: type[BaseModel], arguments: list[str]) -> dict[str, str]:
    try:
        known, unknown = _parser(settings).parse_known_args(list(_joined(arguments)))
    except argparse.ArgumentError as error:
        raise SettingsError(f"{error.argument_name}: {error.message}; it needs a value after it.") from None
    if unknown:
        name = unknown[0].removeprefix("--").partition("=")[0].replace("-", "_")
        near = did_you_mean(name, list(settings.model_fields))
        raise SettingsError(f"{_shown(unknown[0])}: no parameter is called {_shown(name)}; {near}")
    # argparse takes a value that is nothing but two dashes for an end of the options, and gives an empty list.
    return {name: "--" if value == [] else str(value) for name, value in vars(known).items()}


def _parser(settings: type[BaseModel]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=settings.__doc__, allow_abbrev=False, exit_on_error=False)
    for name, field in settings.model_fields.items():
        # MLflow's spelling of a parameter has underscores, a command line's has dashes: both are understood.
        parser.add_argument(
            *dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}")),
            dest=name,
            metavar="VALUE",
            default=argparse.SUPPRESS,
            help=_help(field).replace("%", "%%"),
        )
    return parser


def _help(field: FieldInfo) -> str:
    return (
        f"{field.description}"
        if field.is_required()
        else f"{field.description} (default: {format_setting(field.default)})"
    )


def _joined(arguments: list[str]) -> Iterator[str]:
    """`--lr -1e-3` as `--lr=-1e-3`: argparse would take a value that starts with a dash for an option."""
    rest = iter(arguments)
    for argument in rest:
        alone = not argument.startswith("--") or "=" in argument or argument == "--help"
        value = None if alone else next(rest, None)
        yield argument if value is None else f"{argument}={value}"


def _sentence(settings: type[BaseModel], values: dict[str, str], problem: dict[str, Any]) -> str:
    """What is wrong, with the value as typed, and what would be right; settings that clash name themselves."""
    if not problem["loc"]:
        return str(problem["ctx"]["error"])
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"--{name.replace('_', '-')} is missing: {settings.model_fields[name].description}."
    if problem["type"] == "value_error":
        return f"{name}={_shown(values[name])}: {problem['ctx']['error']}"
    return f"{name}={_shown(values[name])}: it must be {_accepted(settings.model_json_schema()['properties'][name])}."


def _shown(text: str) -> str:
    """What was typed, on one line and not longer than can be taken in."""
    return printable(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _accepted(schema: dict[str, Any]) -> str:
    """The values that a field's JSON schema accepts, in words."""
    if "anyOf" in schema:
        return join_or([_accepted(choice) for choice in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return join_or(schema.get("enum", [schema.get("const")]))
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] == "array":
        if schema["items"].get("type") == "array":
            return f"one or more lists, separated by semicolons, each with {_accepted(schema['items'])}"
        return f"one or more of these, separated by commas: {_accepted(schema['items'])}"
    noun = {"integer": "a whole number", "number": "a finite number", "string": "text"}[schema["type"]]
    bounds = [f"{word} {schema[bound]}" for bound, word in _BOUNDS.items() if bound in schema]
    return f"{noun} {' and '.join(bounds)}".strip()


_BOUNDS = {
    "exclusiveMinimum": "greater than",
    "minimum": "of at least",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
