"""The site is built without a warning, and its generated parts are as the code declares them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import generate
from conftest import ROOT
from lrstudy import server_names
from lrstudy.training.verdict import Curve, judge

DOCS = ROOT / "docs"


def test_the_site_is_built_strictly(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--config-file",
        str(ROOT / "mkdocs.yml"),
    ]
    outcome = subprocess.run(
        [*command, "--config-file", str(ROOT / "mkdocs.yml"), "--site-dir", str(tmp_path / "site")],
        capture_output=True,
        text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert (tmp_path / "site" / "tutorial" / "index.html").is_file()


def test_the_tables_of_settings_are_as_the_fields_declare_them() -> None:
    stale = "run `python docs/generate.py`"
    assert generate.SETTINGS_PAGE.read_text(encoding="utf-8") == generate.settings_page(), stale


@pytest.mark.parametrize(("word", "curve"), generate.example_curves().items())
def test_each_picture_of_a_verdict_shows_a_curve_with_that_verdict(word: str, curve: Curve) -> None:
    assert judge(curve).word == word
    assert generate.verdict_picture(word).is_file()


def test_the_page_of_verdicts_shows_each_picture() -> None:
    page = (DOCS / "reference" / "verdicts.md").read_text(encoding="utf-8")
    for word in generate.example_curves():
        assert f"## {word}\n" in page
        assert f"../images/{generate.verdict_picture(word).name}" in page


def test_the_page_of_names_has_every_name_that_is_declared() -> None:
    page = (DOCS / "reference" / "names.md").read_text(encoding="utf-8")
    declared = [value for name, value in vars(server_names).items() if name.isupper()]
    listed = [value.values() if isinstance(value, dict) else value for value in declared]
    names = {name for value in listed for name in ((value,) if isinstance(value, str) else value)}
    ours = {
        name for name in names if isinstance(name, str) and not name.startswith(("mlflow.", "final/", "test/", "time/"))
    }
    assert [name for name in sorted(ours) if f"`{name}" not in page] == []
