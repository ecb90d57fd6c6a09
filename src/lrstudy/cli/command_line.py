"""Parse a command line into a settings class."""

import argparse
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from lrstudy.cli.unknown_parameters import DASHES, unknown_parameter
from lrstudy.errors import SettingsError
from lrstudy.formatting import format_setting, join_or, quote, setting_error

Settings = TypeVar("Settings", bound=BaseModel)


def parse(settings: type[Settings], arguments: list[str]) -> Settings:
    """Return the settings that `arguments`, such as `["--lr", "0.1"]`, describe.

    Raises:
        SettingsError: an argument is unknown, has no value, or its value is invalid.
    """
    values = _values(settings, arguments)
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        # A value that fits none of a field's types is an error of each type: the first one of each field is reported.
        problems = reversed(error.errors())
        sentences = {problem["loc"][:1]: _sentence(settings, values, dict(problem)) for problem in problems}
    raise SettingsError("\n".join(reversed(sentences.values())))


def from_parameters(settings: type[Settings], parameters: Mapping[str, str]) -> Settings:
    """Return the settings that a run's parameters, text as typed, describe; ignore parameters that are not settings.

    Raises:
        SettingsError: a value is invalid.
    """
    known = {name: value for name, value in parameters.items() if name in settings.model_fields}
    return parse(settings, [f"--{name}={value}" for name, value in known.items()])


def _values(settings: type[BaseModel], arguments: list[str]) -> dict[str, str]:
    try:
        joined = list(_join_values(arguments, _flags(settings), settings))
        known, unknown = _parser(settings).parse_known_args(_name_required(joined, settings))
    except argparse.ArgumentError as error:
        name = str(error.argument_name).rpartition("/")[2].removeprefix("--")
        field = settings.model_fields[name]
        example = f": {field.description}." if field.is_required() else f", such as {format_setting(field.default)}."
        raise SettingsError(f"--{name} needs a value{example}") from None
    if unknown:
        raise SettingsError("\n".join(unknown_parameter(settings, text) for text in _named(unknown)))
    # argparse takes a value of exactly two dashes for the end of the options, and returns an empty list.
    return {name: "--" if value == [] else str(value) for name, value in vars(known).items()}


def _name_required(arguments: list[str], settings: type[BaseModel]) -> list[str]:
    """Return the arguments with the name of the required setting before a value that has none: `runs.csv`."""
    required = _required(settings)
    if required is None or any(argument.startswith(f"--{required}=") for argument in arguments):
        return arguments
    values = [
        place for place, text in enumerate(arguments) if text[:1] not in DASHES and not _names_setting(text, settings)
    ]
    return [f"--{required}={text}" if place in values[:1] else text for place, text in enumerate(arguments)]


def _required(settings: type[BaseModel]) -> str | None:
    """Return the setting that has no default, if any."""
    return next((name for name, field in settings.model_fields.items() if field.is_required()), None)


def _names_setting(text: str, settings: type[BaseModel]) -> bool:
    """Return True for `lr=0.1`, which lacks dashes only."""
    return text.partition("=")[0].replace("-", "_") in settings.model_fields and "=" in text


def _named(unknown: list[str]) -> list[str]:
    """Return the unknown arguments that have a name: a value that follows one of them is not an error of its own."""
    return [text for text in unknown if text[:1] in DASHES or "=" in text] or unknown[:1]


def _parser(settings: type[BaseModel]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=settings.__doc__, allow_abbrev=False, exit_on_error=False)
    for name, field in settings.model_fields.items():
        # MLflow spells parameters with underscores, command lines with dashes: both are accepted.
        parser.add_argument(
            *dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}")),
            dest=name,
            metavar="VALUE",
            default=argparse.SUPPRESS,
            nargs="?" if field.annotation is bool else None,
            const="true" if field.annotation is bool else None,
            help=_help(field).replace("%", "%%"),
        )
    return parser


def _help(field: FieldInfo) -> str:
    if field.is_required() or field.default is None:
        return f"{field.description}"
    return f"{field.description} (default: {format_setting(field.default)})"


def _flags(settings: type[BaseModel]) -> set[str]:
    """Return the options that need no value: without one they mean true."""
    return {f"--{name}" for name, field in settings.model_fields.items() if field.annotation is bool}


def _join_values(arguments: list[str], flags: set[str], settings: type[BaseModel]) -> Iterator[str]:
    """Yield `--lr -1e-3` as `--lr=-1e-3`, since argparse would take a value that starts with a dash for an option.

    A known option is not joined to the one before it, nor is a value of the required setting to an option without one.
    """
    rest = iter([*arguments, None])
    following = next(rest)
    while (argument := following) is not None:
        following = next(rest)
        has_value = not argument.startswith("--") or "=" in argument or argument == "--help"
        is_set = argument in flags and (
            following is None or following.startswith("--") or _stands_alone(following, settings)
        )
        lacks_value = following is None or (
            following.startswith("--") and following[2:].partition("=")[0].replace("-", "_") in settings.model_fields
        )
        if has_value or is_set or lacks_value:
            yield argument
        else:
            yield f"{argument}={following}"
            following = next(rest)


def _stands_alone(text: str, settings: type[BaseModel]) -> bool:
    """Return True if a text after an option such as `--json` is the value of the required setting."""
    return _required(settings) is not None and text.lower() not in ("true", "false")


def _sentence(settings: type[BaseModel], values: dict[str, str], problem: dict[str, Any]) -> str:
    """Return the problem in one sentence, with the value as typed and the values that are accepted."""
    if not problem["loc"]:  # the settings contradict each other: the sentence names them
        return str(problem["ctx"]["error"])
    name, *within = problem["loc"]
    if problem["type"] == "missing":
        return f"--{name.replace('_', '-')} is required: {settings.model_fields[name].description}."
    schema, typed = _schema(settings)[name], values[name]
    is_list = schema.get("type") == "array"
    if repaired := _repaired(settings.model_fields[name], typed, is_list=is_list):
        needed = "commas between its values" if is_list else "a decimal point"
        return setting_error(name, typed, f"must have {needed}; did you mean {name}={repaired}?")
    if problem["type"] != "value_error":
        example = f", such as {name}={format_setting(settings.model_fields[name].default)}" if is_list else ""
        return setting_error(name, typed, f"must be {_accepted(schema)}{example}.")
    if within and problem["input"] != values[name]:  # one item of a list
        return setting_error(name, values[name], f": {quote(str(problem['input']))} {problem['ctx']['error']}")
    return setting_error(name, values[name], str(problem["ctx"]["error"]))


def _repaired(field: FieldInfo, typed: str, *, is_list: bool) -> str | None:
    """Return a list with commas between its values, or a number with a decimal point; None if that is invalid."""
    if is_list:
        repaired = ",".join(re.findall(r"[^\s,\[\](){}'\"]+", typed)) if re.search(r"[\s\[({'\"]", typed) else typed
    else:
        repaired = re.sub(r"^(-?0),(\d+)$", r"\1.\2", typed)
    if repaired == typed:
        return None
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        TypeAdapter(kind).validate_python(repaired)
    except ValidationError:
        return None
    return repaired


@cache
def _schema(settings: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schemas of a class's fields, by their names."""
    properties: dict[str, Any] = settings.model_json_schema()["properties"]
    return properties


def _accepted(schema: dict[str, Any]) -> str:
    """Return the values that a field's JSON schema accepts, in words."""
    if "anyOf" in schema:
        return join_or([_accepted(choice) for choice in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return join_or([quote(value) for value in schema.get("enum", [schema.get("const")])])
    if schema["type"] == "boolean":
        return "'true' or 'false'"
    if schema["type"] == "array":
        if schema["items"].get("type") == "array":
            return f"one or more lists separated by semicolons, each of {_accepted(schema['items'])}"
        return f"one or more values separated by commas, each {_accepted(schema['items'])}"
    noun = {"integer": "a whole number", "number": "a finite number", "string": "text"}[schema["type"]]
    bounds = [f"{words} {schema[bound]}" for bound, words in _BOUNDS.items() if bound in schema]
    return f"{noun} {' and '.join(bounds)}".strip()


_BOUNDS = {
    "exclusiveMinimum": "greater than",
    "minimum": "of at least",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
