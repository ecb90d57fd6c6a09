"""CSV files whose text no spreadsheet evaluates: the name of a class may begin like a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# A formula, after any number of this module's own escapes. https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠]")


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """Return a table as the text of a CSV file, with formulas escaped."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([escape_formula(cell) for cell in row] for row in rows)
    return file.getvalue()


def from_csv(text: str) -> list[list[str]]:
    """Return the rows of a table, as text, from the CSV text of `to_csv`."""
    return [[_unescape(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]


def escape_formula(cell: object) -> object:
    """Return `cell` with an apostrophe before it if it is text that a spreadsheet would take for a formula."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) and not _is_number(cell) else cell


def _unescape(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
