"""The README against the files that it names, and against what continuous integration runs."""

import re

from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_WORDS = 800


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= MAX_WORDS


def test_the_files_that_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)", README)
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_scripts_that_the_pages_name_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        path
        for page in pages
        for path in re.findall(r"\b(?:src|analysis|benchmarks|docs)/[\w/]+\.py\b", page.read_text())
    }
    assert len(named) > 10
    added = re.findall(r"^\+\+\+ b/(.*)$", (ROOT / "docs" / "how-to" / "extend.md").read_text(), re.M)
    assert [path for path in sorted(named - set(added)) if not (ROOT / path).is_file()] == []


def test_ci_runs_the_readmes_test_command_after_what_the_readme_installs_for_it_and_nothing_else() -> None:
    commands = re.findall(r"^```sh\n(.*?)```$", README, re.M | re.S)
    (command,) = [command for command in commands if "-e test" in command]
    (install,) = [command.strip() for command in commands if command.startswith("apt-get")]
    _, before, tests = (ROOT / ".ci/run").read_text().split("\n\n")
    assert tests == command
    assert before.splitlines()[2].strip() == f'({install}) || echo "some tests will be skipped"'


def test_the_two_commands_of_the_first_screen_differ_in_the_entry_point_alone() -> None:
    first, second, *_ = re.findall(r"^```sh\n(.*?)```$", README, re.M | re.S)
    assert second == first.replace("--env-manager uv\n", "--env-manager uv -e test\n")


def test_the_readmes_setup_installs_the_mlflow_that_the_environment_has() -> None:
    (version,) = set(re.findall(r"mlflow==([\d.]+)", README))
    assert f"mlflow=={version}" in (ROOT / "conda.yaml").read_text()
