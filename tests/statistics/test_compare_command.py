"""The command `compare`: any table of trainings in, the answer or one sentence out."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, mlflow_run
from lrstudy.cli.command_line import parse
from lrstudy.compare.command import run_compare
from lrstudy.errors import LearningRateStudyError, TableError
from lrstudy.settings import CompareSettings, ReproduceSettings

EXAMPLE = ROOT / "docs" / "how-to" / "runs.csv"
HEADER = "optimizer,lr,seed,val_loss\n"
ROWS = "sgd,0.1,0,0.5\nsgd,0.1,1,0.6\nadam,0.01,0,0.2\nadam,0.01,1,0.3\n"


def compare(content: bytes | str, *arguments: str) -> None:
    Path("runs.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    run_compare(["runs.csv", *arguments])


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The answer of the example table as data."""
    run_compare(["--json", str(EXAMPLE)])
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_table_and_the_sentences_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    run_compare([str(EXAMPLE)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "rank",
        "optimizer",
        "lr",
        "seeds",
        "val",
        "loss",
        "difference",
        "95%",
        "interval",
        "status",
    ]
    assert lines[1].split() == ["1", "rmsprop", "0.001", "5", "0.08679", "–", "–", "best", "so", "far"]
    assert lines[2].startswith("2     adam       0.001     5             0.09247   +6.5%       -")
    assert "sgd        1         5 (1 failed)" in lines[11]
    assert lines[13] == "Open: rmsprop with a learning rate of 0.001 is the best so far."
    assert lines[-2] == "Not tried, half a decade beside the best: rmsprop 0.00316."
    assert lines[-1].startswith("All this is about new seeds on the same images")


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    run_compare([str(EXAMPLE)])
    printed = capsys.readouterr().out
    page = (ROOT / "docs" / "how-to" / "compare.md").read_text(encoding="utf-8")
    assert f"```text\n{printed}```" in page, "run `python docs/record_outputs.py`"


def test_data_have_all_that_the_text_has(answer: dict[str, Any]) -> None:
    assert answer["recommendation"] is None
    assert answer["best"] == {"optimizer": "rmsprop", "lr": 0.001}
    assert (answer["certainty"], answer["confidence"], answer["delta"], answer["limit"]) == (
        "open",
        0.95,
        0.05,
        "seeds",
    )
    assert answer["missing_seeds"] > 1
    assert answer["untried_neighbours"] == [{"optimizer": "rmsprop", "lr": 0.00316}]
    assert answer["missing_seeds_of"][0] == answer["best"]
    cells = answer["cells"]
    assert [cell["rank"] for cell in cells] == [*range(1, 11), None]
    assert {cell["status"] for cell in cells} == {"best so far", "not distinguishable", "sure worse", "failed"}
    assert all((cell["difference_low"] > 0) == (cell["status"] == "sure worse") for cell in cells[1:-1])
    assert cells[-1] | {"val_loss": 0} == {
        **{"rank": None, "optimizer": "sgd", "lr": 1.0, "seeds": 5, "failures": 1, "val_loss": 0, "status": "failed"},
        **{"difference": None, "difference_low": None, "difference_high": None},
    }


def test_a_larger_delta_makes_the_answer_sure(capsys: pytest.CaptureFixture[str]) -> None:
    run_compare([str(EXAMPLE), "--delta", "0.3", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert (data["certainty"], data["recommendation"], data["limit"]) == ("within delta", data["best"], None)
    assert (data["missing_seeds"], data["missing_seeds_of"]) == (0, [])


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{HEADER}{ROWS}",
        (HEADER + ROWS).replace("\n", "\r\n"),
        (HEADER + ROWS).replace("\n", "\r"),
        f"\n{HEADER}\n{ROWS}\n\n",
        '"optimizer","lr","seed","val_loss"\n' + ROWS.replace("sgd", '"sgd"'),
        " optimizer , lr,seed,val_loss,,\n" + ROWS.replace("\n", ",,\n"),
    ],
    ids=["BOM", "CRLF", "CR", "blank lines", "quotes", "blanks and empty columns"],
)
def test_csv_files_of_any_origin_are_read(content: str, capsys: pytest.CaptureFixture[str]) -> None:
    compare(content)
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["1", "adam", "0.01", "2"]


def test_one_seed_has_an_answer_that_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    compare(HEADER + "sgd,0.1,0,0.5\nadam,0.01,0,0.2\n")
    assert "Open: one seed per cell cannot show what is noise." in capsys.readouterr().out
    compare(HEADER + "sgd,0.1,0,0.5\nadam,0.01,0,0.2\n", "--json")
    data = json.loads(capsys.readouterr().out)
    assert (data["risk"], data["missing_seeds"], data["cells"][1]["difference_high"]) == (None, None, None)


def test_rows_that_are_left_out_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    compare("optimizer,lr,seed,val_loss,verdict\n" + ROWS.replace("\n", ",\n") + "sgd,0.1,2,0.4,pruned\n")
    assert (
        "\n1 row left out: a training that was pruned or has not finished, or a study's run.\n"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty."),
        ("\n\n", "is empty."),
        (HEADER, "has a header only, and no trainings."),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not a text file in UTF-8; save the table as CSV in UTF-8."),
        ((HEADER + ROWS).encode("utf-16"), "is not a text file in UTF-8; save the table as CSV in UTF-8."),
        (b"PK\x03\x04...", "is a spreadsheet or an archive; save the table as CSV."),
        ("some text\nand more\n", "lacks the columns 'optimizer', 'lr', 'seed' and 'val_loss'; it has 'some text'."),
        (
            (HEADER + ROWS).replace(",", ";"),
            "has semicolons between its columns; save it with commas, and with decimal",
        ),
        ((HEADER + ROWS).replace(",", "\t"), "has tabs between its columns"),
        (
            HEADER + ROWS.replace("0.5", "0,5"),
            ": row 2 has 5 fields, and the header has 4; are its decimals separated by",
        ),
        (HEADER + ROWS + "sgd,0.1\n", ": row 6 has 2 fields, and the header has 4."),
        (HEADER + ROWS + '"sgd,0.1\n', "is not a CSV file: "),
        (HEADER + "x" * 200_000, "is not a CSV file: field larger than field limit"),
        ("optimizer,lr,lr,seed,val_loss\n", "has 2 columns of the name 'lr'."),
        (HEADER + "\n" + ROWS.replace("0.5", "low"), ": row 3: val_loss='low' must be a number."),
        (HEADER + ROWS + "sgd,0.1,1,0.7\n", ": rows 3 and 6 are both sgd 0.1 with seed 1; "),
        (HEADER + ROWS.split("adam")[0], "has trainings of sgd 0.1 only, and nothing to compare them with."),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(content: str | bytes, sentence: str) -> None:
    with pytest.raises(TableError) as refused:
        compare(content)
    text = str(refused.value)
    assert text.startswith(f"table='runs.csv'{'' if sentence.startswith(':') else ' '}{sentence}")
    assert text[-1] in ".?"
    assert "\n" not in text


def test_a_missing_file_a_folder_and_an_impossible_path_are_one_sentence(tmp_path: Path) -> None:
    problems = {"no.csv": "does not exist.", str(tmp_path): "is a folder; name a CSV file.", "a\0b": "cannot be read: "}
    for path, sentence in problems.items():
        with pytest.raises(TableError, match=sentence):
            run_compare([path])


@pytest.mark.parametrize(
    ("typed", "sentence"),
    {
        "": "--table is required: CSV file with a row per training",
        "--table": "--table needs a value: CSV file",
        "runs.csv --delta 0": "delta='0' must be a finite number greater than 0",
        "runs.csv --delta 5%": "delta='5%' must be a finite number",
        "runs.csv --confidence 1": "confidence='1' must be .* at most 0.99",
        "runs.csv --confidence 95": "confidence='95' must be .* at most 0.99",
        "runs.csv other.csv": "'other.csv' is not a known parameter",
        "table=runs.csv": "did you mean '--table=runs.csv'",
        "runs.csv --json=maybe": "json='maybe' must be 'true' or 'false'",
    }.items(),
)
def test_a_bad_setting_of_compare_is_refused_in_one_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(LearningRateStudyError, match=sentence):
        run_compare(typed.split())


def test_the_required_setting_is_given_with_and_without_its_name() -> None:
    for typed in (
        "a.csv --json",
        "--json a.csv",
        "--json --table a.csv",
        "--json true a.csv",
        "--table=a.csv --json=true",
    ):
        assert parse(CompareSettings, typed.split()) == CompareSettings(table="a.csv", json=True)
    assert parse(ReproduceSettings, ["3f0c"]).run_id == "3f0c"
    assert parse(CompareSettings, ["--delta", "0.1", "a=b.csv"]).table == "a=b.csv"


def test_the_command_needs_only_numpy_scipy_and_pydantic() -> None:
    """In a process that finds no other library, and within a short time."""
    allowed = [
        "numpy",
        "scipy",
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "typing_extensions",
        "typing_inspection",
        "lrstudy",
    ]
    code = f"""
import sys
known = {{*sys.stdlib_module_names, *{allowed!r}}}
class Others:
    def find_spec(self, name, path=None, target=None):
        if path is None and not name.startswith('_') and name not in known:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Others())
sys.argv = ["compare.py", {str(EXAMPLE)!r}]
from lrstudy.compare.command import run_compare
from lrstudy.cli.entry_point import run_main
run_main(run_compare)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "src")}
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "rmsprop with a learning rate of 0.001 is the best so far" in ended.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("tracking_uri")
def test_mlflow_runs_the_command(tmp_path: Path) -> None:
    ended = mlflow_run("compare", table=str(EXAMPLE), json="true")
    assert ended.returncode == 0, ended.stderr
    assert '"certainty": "open"' in ended.stdout
    refused = mlflow_run("compare", table=str(tmp_path / "no.csv"))
    assert refused.returncode != 0
    assert "no.csv' does not exist." in refused.stderr
