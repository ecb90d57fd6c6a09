"""The command `compare`, from its command line to its end."""

from __future__ import annotations

import json

from lrstudy.cli.command_line import parse
from lrstudy.errors import TableError
from lrstudy.formatting import setting_error
from lrstudy.settings import CompareSettings
from lrstudy.user_files import user_path


def run_compare(arguments: list[str]) -> None:
    """Print the answer of a table of trainings."""
    settings = parse(CompareSettings, arguments)

    # After the settings, since numpy takes a while and an invalid setting should be reported at once.
    from lrstudy.compare.read_table import read_table
    from lrstudy.compare.text import describe_answer
    from lrstudy.statistics import answer_data, find_answer, from_columns

    try:
        table = read_table(user_path(settings.table))
        outcomes = from_columns(table.columns, table.row_numbers)
    except TableError as error:
        raise TableError(setting_error("table", settings.table, str(error))) from None
    answer = find_answer(outcomes, settings.delta, settings.confidence)
    if settings.json:
        print(json.dumps(answer_data(outcomes, answer), indent=2, allow_nan=False, ensure_ascii=False))
    else:
        print(describe_answer(outcomes, answer, len(table.row_numbers)))
