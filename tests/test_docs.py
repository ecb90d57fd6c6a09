"""What the documents say against what they speak of."""

import re

import pytest
from pydantic.fields import FieldInfo

from conftest import ROOT
from lrstudy.formatting import format_setting
from lrstudy.settings import CommonSettings, GridSettings, SearchSettings, TrainSettings

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    training, *studies = README.split("| name | default | meaning |\n|---|---|---|\n")[1:]
    assert _table(training) == _declared(TrainSettings.model_fields)
    kinds: tuple[type[CommonSettings], ...] = (GridSettings, SearchSettings)
    for table, kind in zip(studies, kinds, strict=True):
        own = {name: field for name, field in kind.model_fields.items() if name not in CommonSettings.model_fields}
        assert _table(table) == _declared(own)


def _table(text: str) -> dict[str, tuple[str, str]]:
    rows = [line.strip("| ").split(" | ") for line in text.partition("\n\n")[0].splitlines()]
    return {name: (default, meaning) for name, default, meaning in rows}


def _declared(fields: dict[str, FieldInfo]) -> dict[str, tuple[str, str | None]]:
    return {name: (format_setting(field.default), field.description) for name, field in fields.items()}


def test_ci_runs_the_readmes_test_command_after_what_the_readme_installs_for_it_and_nothing_else() -> None:
    commands = re.findall(r"^```sh\n(.*?)```$", README, re.M | re.S)
    (command,) = [command for command in commands if "-e test" in command]
    (install,) = [command.strip() for command in commands if command.startswith("apt-get")]
    _, before, ran = (ROOT / ".ci/run").read_text().split("\n\n")
    assert ran == command
    assert before.splitlines()[2].strip() == f'({install}) || echo "some tests will be skipped"'


def test_the_two_commands_of_the_first_screen_differ_in_the_entry_point_alone() -> None:
    first, second, *_ = re.findall(r"^```sh\n(.*?)```$", README, re.M | re.S)
    assert second == first.replace("--env-manager uv\n", "--env-manager uv -e test\n")


def test_the_readmes_setup_installs_the_mlflow_that_the_environment_has() -> None:
    (version,) = set(re.findall(r"mlflow==([\d.]+)", README))
    assert f"mlflow=={version}" in (ROOT / "conda.yaml").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "analysis/SUMMARY.md",
        "analysis/example.png",
        "analysis/report.py",
        "src/lrstudy/training/verdict.py",
        "benchmarks/large_report.py",
        "benchmarks/large_set.py",
        "benchmarks/study.py",
        "benchmarks/long_study.py",
        "benchmarks/soak.py",
    ],
)
def test_the_files_that_the_readme_names_are_there(name: str) -> None:
    assert name in README
    assert (ROOT / name).is_file()
