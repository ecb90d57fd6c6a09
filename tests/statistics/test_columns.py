"""Tables of trainings as dictionaries, DataFrames and exports of MLflow."""

import math
import re

import mlflow
import pandas as pd
import pytest

from lrstudy.errors import TableError
from lrstudy.statistics import Cell, from_columns

TABLE: dict[str, list[object]] = {
    "optimizer": ["sgd", "sgd", "adam", "adam"],
    "lr": [0.1, 0.1, 0.001, 0.001],
    "seed": [0, 1, 0, 1],
    "val_loss": [0.5, 0.6, 0.3, 0.4],
}


def with_value(name: str, value: object, row: int = 1) -> dict[str, list[object]]:
    """The table with another value in one row."""
    column = list(TABLE.get(name, [""] * 4))
    column[row] = value
    return TABLE | {name: column}


def test_a_dictionary_and_a_data_frame_are_the_same_table() -> None:
    one, other = from_columns(TABLE), from_columns(pd.DataFrame(TABLE))
    assert one.rows == other.rows or [*map(repr, one.rows)] == [*map(repr, other.rows)]
    assert one.cells == (Cell("adam", 0.001), Cell("sgd", 0.1))


def test_other_columns_are_ignored_and_optional_ones_read() -> None:
    table = TABLE | {"epochs": [1, 2, 3, 4], "val_accuracy": [0.5, None, float("nan"), pd.NA], "verdict": ["Good"] * 4}
    rows = from_columns(table).rows
    assert [row.val_accuracy for row in rows if math.isfinite(row.val_accuracy)] == [0.5]
    assert {row.verdict for row in rows} == {"good"}


@pytest.mark.parametrize("loss", ["", "nan", "NaN", "inf", None, math.nan, math.inf, pd.NA, "1e999"])
def test_an_unknown_or_infinite_loss_is_that_of_a_failed_training(loss: object) -> None:
    outcomes = from_columns(with_value("val_loss", loss))
    assert [outcomes.failures(cell) for cell in outcomes.cells] == [0, 1]


def test_seeds_that_pandas_made_floats_of_are_seeds() -> None:
    assert from_columns(TABLE | {"seed": [0.0, 1.0, "0", " 1 "]}).seeds == (0, 1)
    assert from_columns(TABLE | {"seed": [2**60 + 1, 1, "0", 2]}).seeds[-1] == 2**60 + 1


def test_pruned_trainings_are_left_out() -> None:
    assert len(from_columns(with_value("verdict", "pruned")).rows) == 3


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("optimizer", "", "row 1: optimizer is empty."),
        ("lr", "fast", "row 1: lr='fast' must be a number greater than 0."),
        ("lr", "0,1", "row 1: lr='0,1' must have a decimal point; did you mean 0.1?"),
        ("lr", 0, "row 1: lr='0' must be a number greater than 0."),
        ("lr", "inf", "row 1: lr='inf' must be a number greater than 0."),
        ("lr", None, "row 1: lr is empty; it must be a number greater than 0."),
        ("seed", "a", "row 1: seed='a' must be a whole number."),
        ("seed", 0.5, "row 1: seed='0.5' must be a whole number."),
        ("seed", "", "row 1: seed is empty; it must be a whole number."),
        ("seed", "inf", "row 1: seed='inf' must be a whole number."),
        ("val_loss", "low", "row 1: val_loss='low' must be a number."),
        ("val_loss", -0.1, "row 1: val_loss='-0.1' must be greater than 0, since losses are compared by their ratios"),
        ("val_loss", 0, "row 1: val_loss='0' must be greater than 0"),
        ("val_accuracy", 97.2, "row 1: val_accuracy='97.2' must be from 0 to 1."),
        ("test_accuracy", "97%", "row 1: test_accuracy='97%' must be a number from 0 to 1."),
        ("seed", 0, "rows 0 and 1 are both sgd 0.1 with seed 0; do they differ in another setting, or"),
    ],
)
def test_a_bad_value_is_named_with_its_row(name: str, value: object, sentence: str) -> None:
    with pytest.raises(TableError, match=re.escape(sentence)):
        from_columns(with_value(name, value))


def test_the_cause_of_two_equal_rows_is_suggested() -> None:
    twice = with_value("seed", 0)
    with pytest.raises(TableError, match=r"they differ in epochs \('10' and '20'\)"):
        from_columns(
            twice | {"epochs": [10, 20, 10, 10], "val_accuracy": [0.1, 0.2, 0.3, 0.4], "seconds": [1, 2, 3, 4]}
        )
    with pytest.raises(TableError, match="is one training there twice"):
        from_columns(twice | {"val_loss": [0.5, 0.5, 1, 1]})


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({}, "lacks the columns 'optimizer', 'lr', 'seed' and 'val_loss'"),
        ({"Optimizer": "optimizer"}, "lacks the column 'optimizer'; rename 'Optimizer' to 'optimizer'."),
        ({"learning_rate": "lr"}, "lacks the column 'lr'; rename 'learning_rate' to 'lr'."),
        ({"best val loss": "val_loss"}, "lacks the column 'val_loss'; rename 'best val loss' to 'val_loss'."),
        ({"vall_loss": "val_loss"}, "lacks the column 'val_loss'; rename 'vall_loss' to 'val_loss'."),
        ({"x": "seed"}, "lacks the column 'seed'; it has 'x', 'optimizer', 'lr' and 'val_loss'."),
    ],
)
def test_missing_columns_are_named_with_the_nearest_ones(columns: dict[str, str], sentence: str) -> None:
    renamed = {new: TABLE[old] for new, old in columns.items()}
    rest = {name: values for name, values in TABLE.items() if columns and name not in columns.values()}
    with pytest.raises(TableError, match=re.escape(sentence)):
        from_columns(renamed | rest)


def test_one_cell_no_trainings_and_unequal_columns_are_rejected() -> None:
    with pytest.raises(TableError, match=r"has trainings of sgd 0\.1 only, and nothing to compare them with"):
        from_columns({name: values[:2] for name, values in TABLE.items()})
    with pytest.raises(TableError, match="has no training that has finished"):
        from_columns({name: [] for name in TABLE})
    with pytest.raises(TableError, match="has columns of different lengths"):
        from_columns(TABLE | {"lr": [1]})


@pytest.fixture
def runs(tracking_uri: str) -> pd.DataFrame:
    """Runs as this project's studies leave them: a parent, four trainings, one that is still running."""
    with mlflow.start_run():
        mlflow.log_params({"seed": 0, "epochs": 3, "optimizer": "all"})
        for optimizer, lr, seed in [("sgd", "0.1", 0), ("sgd", "0.1", 1), ("adam", "1e-3", 0), ("adam", "1e-3", 1)]:
            with mlflow.start_run(nested=True):
                parameters = {"optimizer": optimizer, "lr": lr, "log10_lr": -1, "seed": seed, "epochs": 3}
                mlflow.log_params(parameters | {f"optimizer.{optimizer}": 1, "momentum": 0})
                loss = math.inf if (optimizer, seed) == ("sgd", 1) else 0.5 + seed
                mlflow.log_metrics({"best/val_loss": loss, "best/val_accuracy": 0.9, "test/accuracy": 0.8})
                mlflow.set_tag("lrstudy.verdict", "good")
    running = mlflow.start_run()
    mlflow.log_params({"optimizer": "sgd", "lr": 0.1, "seed": 2, "epochs": 3})
    found = mlflow.search_runs(search_all_experiments=True)
    mlflow.MlflowClient().set_terminated(running.info.run_id)
    mlflow.end_run()
    return found


def test_an_export_of_mlflow_is_read_without_studies_and_unfinished_runs(runs: pd.DataFrame) -> None:
    assert len(runs) == 6
    outcomes = from_columns(runs)
    assert outcomes.cells == (Cell("adam", 0.001), Cell("sgd", 0.1))
    assert [outcomes.failures(cell) for cell in outcomes.cells] == [0, 1]
    assert {(row.val_accuracy, row.test_accuracy, row.verdict) for row in outcomes.rows} == {(0.9, 0.8, "good")}


def test_trainings_of_mlflow_that_differ_in_another_setting_are_rejected(runs: pd.DataFrame) -> None:
    runs.loc[runs["params.optimizer"] == "adam", "params.epochs"] = "5"
    with pytest.raises(TableError, match=r"has trainings that differ in epochs \('5' and '3'\); compare those of one"):
        from_columns(runs)
    assert len(from_columns(runs.drop(columns="params.epochs")).rows) == 4
