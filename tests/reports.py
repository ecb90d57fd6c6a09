"""Reports on the runs that a test has logged, and the commands in them."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

from known_runs import falling, log_training
from lrstudy.report.command_line import report
from lrstudy.report.group_report import build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.summary import summarize


def summary() -> dict[str, Any]:
    """Return the summary of the latest study's report, without writing the report, which takes seconds to draw."""
    return strict_json(json.dumps(summarize(build_report(load_runs())), allow_nan=False))


def written_summary(*arguments: str) -> dict[str, Any]:
    """Write a report in this process, which saves a start; return its summary."""
    report(list(arguments))
    return strict_json(Path("report/summary.json").read_text())


def strict_json(text: str) -> dict[str, Any]:
    def reject(constant: str) -> None:
        raise AssertionError(constant)

    content: dict[str, Any] = json.loads(text, parse_constant=reject)
    return content


def codes(content: dict[str, Any]) -> list[str]:
    return [one["code"] for one in content["warnings"]]


def log_seeds(experiment: str, floor: float, **settings: Any) -> None:
    """Log a cell of three seeds whose losses differ by 1%."""
    for seed in range(3):
        log_training(experiment, falling(floor * (1 + seed / 100)), seed=seed, **settings)


def arguments_of(command: str | None) -> list[str]:
    """Return the options that the shell and `mlflow run` make of a command."""
    words = subprocess.run(["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True).stdout.split("\0")
    assert words[:5] == ["mlflow", "run", ".", "--env-manager", "uv"]
    given = [word for before, word in pairwise(words) if before == "-P"]
    return [option for word in given for option in (f"--{word.partition('=')[0]}", word.partition("=")[2])]
