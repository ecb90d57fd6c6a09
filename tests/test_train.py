"""One training through its entry point, into a real tracking database."""

import csv
import json
import math
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import LoggedModel, Run
from sklearn.datasets import load_digits

from conftest import PHOTOS
from lrstudy.settings import TrainSettings
from lrstudy.training.plan import load_data
from studies import curve, reference, run_script_anew, run_train

CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


def train(*arguments: str) -> Run:
    """Train, and return the run on the server."""
    before = {run.info.run_id for run in mlflow.search_runs(search_all_experiments=True, output_format="list")}
    run_train(*arguments)
    after = mlflow.search_runs(search_all_experiments=True, output_format="list")
    (run,) = [run for run in after if run.info.run_id not in before]
    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "downloaded"


@pytest.mark.usefixtures("tracking_uri")
class TestARun:
    """The content of the server after `python src/train.py --epochs 3 --lr 0.01`."""

    @pytest.fixture
    def run(self) -> Run:
        return train("--epochs", "3", "--lr", "1e-2")

    def test_has_everything_the_design_names(self, run: Run, files: Path) -> None:
        self.check_run(run)
        self.check_metrics(run)
        self.check_inputs(run)
        self.check_artifacts(run, files)
        self.check_model(run)

    def check_run(self, run: Run) -> None:
        assert run.info.status == "FINISHED"
        assert run.info.run_name == "adam lr=0.01 seed=0"
        assert set(TrainSettings.model_fields) <= set(run.data.params)
        assert {
            name: run.data.params[name] for name in ("hidden", "lr", "momentum", "log10_lr", "optimizer.betas")
        } == {
            "hidden": "256,128,64",
            "lr": "0.01",
            "momentum": "0",
            "log10_lr": "-2",
            "optimizer.betas": "0.9,0.999",
        }
        tags = run.data.tags
        assert tags["lrstudy.kind"] == "train"
        assert tags["lrstudy.verdict"] == "too slow"
        assert "too slow" in tags["mlflow.note.content"]
        assert "torch 2.15.0" in tags["lrstudy.versions"]
        assert (tags["lrstudy.device"], tags["lrstudy.threads"]) == ("cpu", "1")
        assert len(tags["lrstudy.key"]) == len(tags["lrstudy.data_digest"]) == 32

    def check_metrics(self, run: Run) -> None:
        curves = {name: curve(run, name) for name in CURVES}
        assert all(sorted(points) == [0, 1, 2, 3] for points in curves.values())
        assert curves["train_loss"][0] == pytest.approx(math.log(10), rel=0.02)
        for name, group in (("train_loss", "Log10 loss/train"), ("val_loss", "Log10 loss/val")):
            assert curve(run, group) == {epoch: math.log10(loss) for epoch, loss in curves[name].items()}
        metrics = run.data.metrics
        best = min(curves["val_loss"], key=curves["val_loss"].__getitem__)
        assert metrics["best/epoch"] == best
        assert metrics["best/val_loss"] == curves["val_loss"][best]
        assert metrics["best/val_accuracy"] == curves["val_accuracy"][best]
        assert metrics["final/train_loss"] == curves["train_loss"][3]
        assert metrics["final/val_loss"] == curves["val_loss"][3]
        assert metrics["final/val_accuracy"] == curves["val_accuracy"][3]
        assert metrics["time/train_seconds"] > 0

    def check_inputs(self, run: Run) -> None:
        assert run.inputs is not None
        inputs = {entry.tags[0].value: entry.dataset for entry in run.inputs.dataset_inputs}
        assert {context: dataset.name for context, dataset in inputs.items()} == {
            "train": "digits train",
            "validation": "digits validation",
            "test": "digits test",
        }
        assert len({dataset.digest for dataset in inputs.values()}) == 3

    def check_artifacts(self, run: Run, files: Path) -> None:
        files.mkdir()
        mlflow.MlflowClient().download_artifacts(run.info.run_id, "", str(files))
        with (files / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        for name in CURVES:
            assert {int(row["epoch"]): float(row[name]) for row in rows} == curve(run, name)
        facts = json.loads((files / "data.json").read_text())
        assert facts["classes"] == list("0123456789")
        assert facts["images"] == {"train": 1257, "validation": 270, "test": 270}
        assert "macro avg" in (files / "classification_report.txt").read_text()
        with (files / "confusion_matrix.csv").open() as file:
            counts = np.array([row[1:] for row in csv.reader(file)][1:], int)
        assert counts.sum() == 270
        assert counts.trace() / 270 == pytest.approx(run.data.metrics["best/val_accuracy"])
        self.check_image_losses(run, files)
        assert (files / "weights.pt").stat().st_size > 58_442 * 4
        pictures = {path.name for path in (files / "figures").iterdir()}
        assert pictures == {"loss_curves.png", "confusion_matrix.png", "layers", "mistakes.png"}
        self.check_learned(files)

    def check_learned(self, files: Path) -> None:
        layers = json.loads((files / "layers.json").read_text())
        assert [layer["neurons"] for layer in layers["layers"]] == [256, 128, 64]
        assert all((files / layer["figure"]).is_file() for layer in layers["layers"])
        with (files / "confusion_matrix.csv").open() as file:
            counts = np.array([row[1:] for row in csv.reader(file)][1:], int)
        mistakes = json.loads((files / "mistakes.json").read_text())
        assert (mistakes["misclassified"], mistakes["images"]) == (270 - counts.trace(), 270)
        assert layers["accuracy"] == pytest.approx(counts.trace() / 270)
        confidences = [mistake["confidence"] for mistake in mistakes["shown"]]
        assert confidences == sorted(confidences, reverse=True)
        for mistake in mistakes["shown"]:
            assert counts[int(mistake["true"]), int(mistake["predicted"])] > 0
            assert mistake["true"] != mistake["predicted"]

    def check_image_losses(self, run: Run, files: Path) -> None:
        split = load_data(TrainSettings())
        parts = (("val_losses.npy", split.validation, "best/val_loss"), ("test_losses.npy", split.test, "test/loss"))
        for name, rows, metric in parts:
            losses = np.load(files / name)
            assert (str(losses.dtype), losses.shape) == ("float32", (270,))
            assert losses.mean(dtype=np.float64) == pytest.approx(run.data.metrics[metric], rel=1e-6)
            expected = self.losses_of_model(run, split.images[rows], split.labels[rows])
            assert losses == pytest.approx(expected, rel=0.01, abs=1e-4)

    def losses_of_model(self, run: Run, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the losses of images in the order given, from the probabilities of the run's model."""
        (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
        answer = mlflow.pyfunc.load_model(model.model_uri).predict(images)
        probabilities = answer.drop(columns="class").to_numpy()
        losses: np.ndarray = -np.log(probabilities[np.arange(len(labels)), labels])
        return losses

    def check_model(self, run: Run) -> None:
        (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
        assert model.source_run_id == run.info.run_id
        loaded = mlflow.pyfunc.load_model(model.model_uri)
        digits = load_digits()
        images = np.round(digits.images * 255 / 16).astype(np.uint8)[..., None]
        answer = loaded.predict(images)
        assert list(answer.columns) == ["class", *(f"probability_{digit}" for digit in range(10))]
        probabilities = answer.drop(columns="class").to_numpy()
        assert probabilities.shape == (1797, 10)
        assert np.allclose(probabilities.sum(axis=1), 1)
        assert (answer["class"].astype(int) == probabilities.argmax(axis=1)).all()
        assert (probabilities.argmax(axis=1) == digits.target).mean() > 0.9
        assert np.allclose(loaded.predict(images[:1]).drop(columns="class"), probabilities[:1], atol=1e-5)
        assert loaded.metadata.metadata["classes"] == list("0123456789")
        self.check_links(run, mlflow.MlflowClient().get_logged_model(model.model_id))

    def check_links(self, run: Run, model: LoggedModel) -> None:
        """The model's scores are linked to the splits that they are on, and are on the server once."""
        assert run.outputs is not None
        assert model.metrics is not None
        assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
        assert {(metric.key, metric.value, metric.dataset_name) for metric in model.metrics} == {
            (name, run.data.metrics[name], f"digits {split}")
            for split, names in {
                "validation": ("best/val_loss", "best/val_accuracy"),
                "test": ("test/loss", "test/accuracy"),
            }.items()
            for name in names
        }
        assert run.inputs is not None
        assert {metric.dataset_digest for metric in model.metrics} <= {
            entry.dataset.digest for entry in run.inputs.dataset_inputs
        }
        assert len(curve(run, "test/accuracy")) == 1


# Adam at 0.001 on digits, seed 0: training and validation loss of the first epochs, as first measured.
GOLDEN = {
    0: (2.306214, 2.306826),
    1: (2.263717, 2.186274),
    2: (2.115767, 1.985869),
    3: (1.864900, 1.661013),
    4: (1.490794, 1.239725),
    5: (1.054886, 0.826734),
}


def test_a_short_training_gives_the_numbers_it_has_always_given() -> None:
    curves = {name: dict(points) for name, points in reference("--epochs", "5").curves.items()}
    losses = zip(curves["train_loss"].values(), curves["val_loss"].values(), strict=True)
    assert dict(enumerate(losses)) == {epoch: pytest.approx(pair, rel=1e-3) for epoch, pair in GOLDEN.items()}


@pytest.mark.usefixtures("tracking_uri")
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_the_same_command_gives_the_same_bits_twice(model: str) -> None:
    arguments = ["--epochs", "2", "--model", model, "--threads", "2"]
    first, second = reference(*arguments), train(*arguments)
    assert {name: dict(points) for name, points in first.curves.items()} == {
        name: curve(second, name) for name in first.curves
    }
    assert first.key == second.data.tags["lrstudy.key"]


def test_optimizers_and_learning_rates_start_from_the_same_weights() -> None:
    adam, sgd = reference("--epochs", "5"), reference("--epochs", "1", "--optimizer", "sgd", "--lr", "0.1")
    assert [adam.curves[name][0] for name in CURVES] == [sgd.curves[name][0] for name in CURVES]
    assert adam.key != sgd.key


@pytest.mark.usefixtures("tracking_uri")
def test_a_diverged_training_is_a_result_that_ended_early() -> None:
    run = train("--epochs", "20", "--optimizer", "sgd", "--lr", "1e20")
    assert run.info.status == "FINISHED"
    assert run.data.tags["lrstudy.verdict"] == "diverged"
    losses = curve(run, "train_loss")
    assert len(losses) < 21
    assert not math.isfinite(losses[max(losses)])
    assert math.isfinite(run.data.metrics["best/val_loss"])
    assert run.data.metrics["best/epoch"] < max(losses)
    with Path(
        mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="confusion_matrix.csv")
    ).open() as file:
        counts = np.array([row[1:] for row in csv.reader(file)][1:], int)
    assert counts.trace() / 270 == pytest.approx(run.data.metrics["best/val_accuracy"]), "of the best epoch's weights"
    assert mean_val_loss(run) == pytest.approx(run.data.metrics["best/val_loss"], rel=1e-6)


@pytest.mark.usefixtures("tracking_uri")
def test_the_losses_per_image_are_plain_cross_entropies_of_the_best_epochs_own_weights() -> None:
    recipe = ("--label_smoothing", "0.2", "--class_weights", "balanced", "--ema", "0.9", "--augment", "flip")
    run = train("--epochs", "5", "--optimizer", "sgd", "--lr", "1.5", *recipe)
    losses = curve(run, "val_loss")
    assert run.data.metrics["best/val_loss"] < losses[max(losses)]
    assert mean_val_loss(run) == pytest.approx(run.data.metrics["best/val_loss"], rel=1e-6)


def mean_val_loss(run: Run) -> float:
    """Return the mean of a run's losses per validation image."""
    path = mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/val_losses.npy")
    return float(np.load(path).mean(dtype=np.float64))


@pytest.mark.usefixtures("tracking_uri")
@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photographs at {PHOTOS}")
def test_photographs_of_any_size_are_trained_on() -> None:
    run = train("--data", str(PHOTOS), "--model", "cnn", "--epochs", "2", "--image-size", "32")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["best/val_loss"] < math.log(10) * 1.02
    (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list")
    predicted = mlflow.pyfunc.load_model(model.model_uri).predict(np.zeros((5, 32, 32, 3), np.uint8))
    assert predicted.shape == (5, 11)


@pytest.mark.usefixtures("tracking_uri")
def test_a_training_whose_cache_cannot_be_written_saves_its_model_all_the_same(tmp_path: Path) -> None:
    no_folder = tmp_path / "a file"
    no_folder.touch()
    ended = run_script_anew("train.py", "--epochs", "1", XDG_CACHE_HOME=str(no_folder), MPLCONFIGDIR="")
    assert ended.returncode == 0, ended.stderr
    assert "atplotlib" not in ended.stderr
    assert mlflow.search_logged_models(output_format="list")
