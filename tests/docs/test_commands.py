"""Every command and every Python block on the pages runs, with short trainings of small networks on small images."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image

from conftest import PHOTOS, ROOT
from databases import empty_database
from page_commands import PAGES, TABLE, Block, as_script, blocks, commands
from preloaded_process import run_preloaded

BIN = Path(sys.executable).parent
# Commands that are not run here, each with the reason.
NOT_RUN = {
    "python3.11 -m venv": "continuous integration runs it, as the first thing it does",
    ". .venv/bin/activate": "the tests run in an active environment",
    "apt-get": "continuous integration runs it, as root",
    "ruff check": "the entry point `test` runs it before these tests",
    "pytest": "it would run these tests",
    "sed -n": "it asks the package index",
    "PYTHONPATH=src python -m lrstudy.settings.mlproject": "another test compares the file with its output",
    "python docs/generate.py": "another test compares the files with its output",
    "python docs/record_outputs.py": "it trains at full length, for minutes",
    "mlflow ui": "it serves until it is stopped",
    "mlflow models serve": "another test serves a model",
    "(printf": "another test sends this to a server",
    "mlflow run . --env-manager uv -e grid -P weights=default": "it downloads weights",
    "mlflow run . --env-manager uv -e grid -P cluster=t": "another test starts schedulers, also with TLS",
    "dask ": "another test starts schedulers and workers",
    "export DASK": "another test gives certificates to Dask",
    "mkdocs serve": "it serves until it is stopped",
}
# Settings that replace those of the page, or are added to them.
SHORTER = {"epochs": "1", "trials": "2", "seeds": "2", "trainings": "3"}
SMALLER = {
    "src/train.py": {"epochs": "1", "hidden": "8"},
    "src/grid.py": {"epochs": "1", "hidden": "8", "optimizers": "sgd", "lrs": "0.1,0.01"},
    "src/search.py": {"epochs": "1", "hidden": "8", "trials": "2"},
    "src/decide.py": {"epochs": "1", "hidden": "8", "optimizers": "sgd", "trainings": "3"},
}
MAX_IMAGES = 10  # per class
# What a reader of these pages has done before.
BEFORE = {
    "how-to/report.md": "mlflow run . --env-manager uv -e grid -P optimizers=adam",
    "how-to/repeat.md": "mlflow run . --env-manager uv",
}
WRONG = "--optimizer adm"  # the command of the reference that shows an error


def page_blocks(page: Path) -> list[Block]:
    return list(blocks(page.read_text(encoding="utf-8")))


def steps(page: Path) -> list[Block | str]:
    """The commands of a page that are run here, and its Python blocks, in their order."""
    found: list[Block | str] = []
    for block in page_blocks(page):
        if block.language == "python":
            found.append(block)
        elif block.language == "sh":
            found += [command for command in commands(block) if not not_run(command)]
    return found


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT)).removeprefix("docs/")


def not_run(command: str) -> bool:
    return any(command.startswith(beginning) for beginning in NOT_RUN)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The working folder: a tracking database, and small images and a table where the pages have the reader's own."""
    shutil.copy(empty_database(), tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    shutil.copy(TABLE, tmp_path)
    for name in ("photos", "path/to/folder"):
        copy_photos(tmp_path / name)
    return tmp_path


def copy_photos(folder: Path, classes: int = 2, images: int = 10) -> None:
    """Fill `folder` with a few photographs, or with made images where there are none."""
    generator = np.random.default_rng(0)
    for number in range(classes):
        sub = folder / f"class {number}"
        sub.mkdir(parents=True)
        photos = sorted(PHOTOS.glob("*/*"))[50 * number :]
        for index in range(images):
            if photos:
                shutil.copy(photos[index], sub)
            else:
                pixels = generator.integers(0, 256, (40, 30 + number, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(sub / f"{index}.png")


def remove_images(folder: Path) -> None:
    """Leave ten images per class of those that a page has written."""
    for sub in folder.iterdir():
        for image in sorted(sub.iterdir())[MAX_IMAGES:]:
            image.unlink()


@pytest.mark.slow
@pytest.mark.first
@pytest.mark.parametrize("page", [page for page in PAGES if steps(page)], ids=page_name)
def test_the_commands_of_a_page_run(page: Path, scratch: Path) -> None:
    if before := BEFORE.get(page_name(page)):
        check(before)
    for step in steps(page):
        if isinstance(step, str):
            check(step)
        else:
            check_python(step.text)
            remove_images(scratch / "photos")


def check(command: str) -> None:
    script, *options = as_script(command)
    if script in SMALLER:
        outcome = run_preloaded([str(ROOT / script), *smaller(script, options)], env=environment())
    elif script.endswith(".py"):
        outcome = run_preloaded([str(ROOT / script), *with_run(options)], env=environment())
    else:
        outcome = subprocess.run([str(BIN / script), *options], capture_output=True, text=True, env=environment())
    failed = WRONG in command
    assert (outcome.returncode != 0) == failed, f"{command}\n{outcome.stdout}{outcome.stderr}"


def smaller(script: str, options: list[str]) -> list[str]:
    given = dict(zip(options[::2], options[1::2], strict=True))
    if "--continue_from" in given:
        return with_run(["--continue_from", "", "--epochs", "2"])
    added = {f"--{name}": value for name, value in SMALLER[script].items()}
    shorter = {f"--{name}": value for name, value in SHORTER.items() if f"--{name}" in given}
    return [word for item in (added | given | shorter).items() for word in item]


def with_run(options: list[str]) -> list[str]:
    """Replace the id of the example's run by that of a run which is there."""
    option = next((name for name in ("--run_id", "--continue_from") if name in options), None)
    if option is None:
        return options
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    place = options.index(option) + 1
    return [*options[:place], run.info.run_id, *options[place + 1 :]]


def check_python(text: str) -> None:
    if "<model id>" in text:
        newest = mlflow.search_logged_models(
            order_by=[{"field_name": "creation_timestamp", "ascending": False}], output_format="list"
        )[0]
        text = text.replace("<model id>", newest.model_id)
    outcome = run_preloaded(["-c", text], env=environment())
    assert outcome.returncode == 0, f"{text}\n{outcome.stderr}"


def environment() -> dict[str, str]:
    # The pages give the commands with `mlflow run`, which logs to this experiment.
    return os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_EXPERIMENT_NAME": "Default"}


def test_commands_that_are_not_run_are_on_a_page() -> None:
    text = [
        command
        for page in PAGES
        for block in page_blocks(page)
        if block.language == "sh"
        for command in commands(block)
    ]
    unused = [beginning for beginning in NOT_RUN if not any(command.startswith(beginning) for command in text)]
    assert not unused
