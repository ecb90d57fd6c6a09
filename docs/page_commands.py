"""The commands on the pages, and the scripts that they start."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A table of trainings where the pages have the reader's own.
TABLE = ROOT / "docs" / "how-to" / "runs.csv"
_BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.M | re.S)
_MLFLOW_RUN = ["mlflow", "run", ".", "--env-manager", "uv"]


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its text, and where the text starts and ends in the page."""

    language: str
    text: str
    start: int
    end: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page that are commands, Python, or output."""
    for match in _BLOCK.finditer(page):
        yield Block(match[1], match[2], match.start(2), match.end(2))


def commands(block: Block) -> list[str]:
    """Return the commands of a block, one per line; a line that ends in `&&` or `|` continues."""
    joined = re.sub(r"(&&|\|)\n\s*", r"\1 ", block.text)
    return [line for line in joined.splitlines() if line.strip()]


def as_script(command: str) -> list[str]:
    """Return the words of a command; of `mlflow run . …`, those of the script that it would start."""
    words = shlex.split(command)
    if words[:5] == _MLFLOW_RUN:
        return _script_of(words[5:])
    return words[1:] if words[0] == "python" else words


def _script_of(options: list[str]) -> list[str]:
    entry_point, settings = "main", []
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option == "-e":
            entry_point = value
        else:
            name, _, given = value.partition("=")
            settings += [f"--{name}", given]
    project = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))
    return [project["entry_points"][entry_point]["command"].split()[1], *settings]
