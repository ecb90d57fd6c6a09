"""CSV files as a spreadsheet reads them."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_folders import fill
from known_runs import falling, log_training
from lrstudy.csv_tables import escape_formula, from_csv, to_csv
from lrstudy.report.command_line import report
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned, run_trial
from lrstudy.study.trial_job import TrialJob


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-cat", "'-cat"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("'=1", "''=1"),
        ("-0.5", "-0.5"),
        ("+5", "+5"),
        ("-1e-05", "-1e-05"),
        ("cat", "cat"),
        ("a=b", "a=b"),
        ("'tis", "'tis"),
        ("", ""),
        (-0.5, -0.5),
        (-3, -3),
        (None, None),
    ],
)
def test_text_that_begins_as_a_formula_is_escaped_and_numbers_are_not(cell: object, written: object) -> None:
    assert escape_formula(cell) == written


@settings(max_examples=30)
@given(st.lists(st.lists(st.text("'=+-@ \t\r\n,\"1a"), min_size=2), min_size=1))
def test_a_table_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    assert from_csv(to_csv(rows)) == rows


def test_classes_whose_names_begin_as_formulas_are_escaped_in_the_file_and_shown_as_they_are(tmp_path: Path) -> None:
    for name in ("=cat", "-dog", "-1"):
        fill(tmp_path / "pets" / name)
    chosen = TrainSettings(data=str(tmp_path / "pets"), hidden=(4,), epochs=1, image_size=8)
    job = TrialJob(0, "run", planned(chosen).specification.key, chosen, tmp_path)
    table = run_trial(job).files["confusion_matrix.csv"].decode()
    assert table.splitlines()[0] == "true class / predicted class,-1,'-dog,'=cat"
    assert [row[0] for row in from_csv(table)[1:]] == ["-1", "-dog", "=cat"]


def test_the_tables_of_the_report_escape_formulas(tracking_uri: str) -> None:
    for optimizer in ("=1+1", "adam"):
        log_training(os.environ["MLFLOW_EXPERIMENT_ID"], falling(0.1), optimizer=optimizer)
    report([])
    for name in ("cells", "optimizers", "runs", "curves"):
        rows = list(csv.DictReader(Path(f"report/tables/{name}.csv").read_text().splitlines()))
        assert {row["optimizer"] for row in rows} == {"'=1+1", "adam"}
