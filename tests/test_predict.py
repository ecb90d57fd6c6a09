"""The command `predict`: photographs in, a table of classes out, and nothing of the server executed."""

import csv
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from conftest import mlflow_run
from lrstudy.data import load
from lrstudy.data.decoding import decoding_pool
from lrstudy.prediction.classify import Predictions, classify
from lrstudy.prediction.evaluation import describe_scores
from lrstudy.prediction.image_files import find_images
from lrstudy.prediction.model_address import find_model
from lrstudy.prediction.trained_network import load_network
from studies import run_script
from winners import CLASSES, SIDE, photo, trained, write_photos

Predict = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MlflowClient, Run]:
    """A copy of the database of the training, whose artifacts the test may change."""
    client, run = trained()
    source = Path(client.tracking_uri.removeprefix("sqlite:///")).parent
    shutil.copytree(source / "artifacts", tmp_path / "artifacts")
    database = tmp_path / "copy.db"
    shutil.copy(source / "mlflow.db", database)
    move(database, (source / "artifacts").as_uri(), (tmp_path / "artifacts").as_uri())
    uri = f"sqlite:///{database}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    copied = MlflowClient(uri)
    return copied, copied.get_run(run.info.run_id)


def move(database: Path, old: str, new: str) -> None:
    """Let the runs and models of a copied database have their artifacts in another place."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection:
        for table, column in (
            ("runs", "artifact_uri"),
            ("experiments", "artifact_location"),
            ("logged_models", "artifact_location"),
        ):
            connection.execute(f"update {table} set {column} = replace({column}, ?, ?)", (old, new))
        connection.commit()


def predict(model: str, images: Path | str, *more: str) -> subprocess.CompletedProcess[str]:
    return run_script("predict.py", "--model", model, "--images", str(images), *more)


def rows(table: Path = Path("predictions.csv")) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def model_id(client: MlflowClient, run: Run) -> str:
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert model.source_run_id == run.info.run_id
    return str(model.model_id)


def test_a_folder_of_any_images_becomes_a_table_with_the_broken_files_listed(
    server: tuple[MlflowClient, Run], tmp_path: Path
) -> None:
    client, run = server
    folder = tmp_path / "DCIM"
    (folder / "100 trip").mkdir(parents=True)
    Image.new("L", (3000, 2000), 250).save(folder / "100 trip" / "=large.JPG", quality=50)
    Image.fromarray(np.full((40, 30), 1000, np.uint16)).save(folder / "deep.png")
    Image.new("RGBA", (7, 90), (20, 10, 10, 255)).save(folder / "tall.webp")
    (folder / "broken.jpg").write_bytes(photo(1, bright=True)[:300])
    (folder / "notes.txt").write_text("no image")
    ended = predict(f"models:/{model_id(client, run)}", folder)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"not read: broken\.jpg: damaged", ended.stderr)
    assert "classifying 4 images" in ended.stderr
    found = rows()
    assert [row["file"] for row in found] == ["100 trip/=large.JPG", "deep.png", "tall.webp"]
    assert list(found[0]) == ["file", "class", *(f"probability_{name}" for name in CLASSES)]
    for row in found:
        shares = [float(row[f"probability_{name}"]) for name in CLASSES]
        assert sum(shares) == pytest.approx(1)
        assert row["class"] == CLASSES[int(np.argmax(shares))]
    assert [row["class"] for row in found] == [CLASSES[0], CLASSES[1], CLASSES[1]]


def test_class_folders_are_compared_and_tiles_show_them(server: tuple[MlflowClient, Run], tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "new", 5, first=500)
    for place in ("wrong.jpg", "also wrong.jpg"):
        (folder / "dark" / place).write_bytes(photo(900, bright=True))
    ended = predict(server[1].info.run_id, folder, "--tile", "--out", "table.csv")
    assert ended.returncode == 0, ended.stderr
    assert f"accuracy {10 / 12:.1%}, balanced accuracy {(1 + 5 / 7) / 2:.1%} (n=12)" in ended.stdout
    assert re.search(r"1 bright & loud +5 +0\n2 dark +2 +5\n", ended.stdout)
    assert len(rows(Path("table.csv"))) == 12
    page = Path("table.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 12
    assert page.count("<b>is dark</b>") == 2
    assert "<h2>bright &amp; loud <small>7</small></h2>" in page
    assert 'href="new/dark/also%20wrong.jpg"' in page


def test_scores_are_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, 3, 50), generator.integers(0, 4, 50)
    text = describe_scores(true, predicted, "abcd")
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        balanced = balanced_accuracy_score(true, predicted)
    assert f"accuracy {(true == predicted).mean():.1%}, balanced accuracy {balanced:.1%} (n=50)" in text
    printed = [[int(count) for count in line.split()[2:]] for line in text.splitlines()[3:]]
    assert printed == confusion_matrix(true, predicted, labels=range(4)).tolist()


def test_the_images_are_those_of_training_pixel_for_pixel(server: tuple[MlflowClient, Run]) -> None:
    """The probabilities of the training set's own files are those of its stored pixels."""
    client, run = server
    network = load_network(client, run.info.run_id, find_model(client, run.info.run_id))
    stored = load(run.data.params["data"], data_root=None, image_size=SIDE, fit="pad", bad_images="error", split_seed=0)
    files = find_images(run.data.params["data"], network.classes, "auto")
    assert files.labels == stored.labels.tolist()
    seen = np.zeros_like(stored.images)
    with decoding_pool(2) as pool:
        predictions: Predictions = classify(
            files, network, "cpu", pool, lambda decoded: seen.__setitem__(decoded.rows, decoded.pixels)
        )
    assert (seen == stored.images).all()
    with torch.inference_mode():
        expected = network.classifier(torch.from_numpy(np.array(stored.images))).numpy()
    assert np.allclose(predictions.probabilities, expected, atol=1e-6)


class Attack:
    """Loaded from a pickle, it makes a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_a_model_that_was_changed_on_the_server_is_refused_and_runs_nothing(
    server: tuple[MlflowClient, Run], tmp_path: Path
) -> None:
    client, run = server
    model, trace = model_id(client, run), tmp_path / "trace"
    image = tmp_path / "one.jpg"
    image.write_bytes(photo(1, bright=True))
    attack = pickle.dumps(Attack(trace))
    (archive,) = (tmp_path / "artifacts").rglob("model.pt2")
    (code,) = (tmp_path / "artifacts").rglob("image_classifier.py")
    (weights,) = (tmp_path / "artifacts").rglob("weights.pt")
    (facts,) = (tmp_path / "artifacts").rglob("data.json")

    def refused(address: str, sentence: str) -> None:
        ended = predict(address, image)
        assert ended.returncode == 2
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert re.fullmatch(f"error: model='{address}': {sentence}", line), line
        assert "Traceback" not in ended.stderr
        assert not trace.exists()
        assert not Path("predictions.csv").exists()

    for file, content in ((archive, attack), (code, b"import os; os.mkdir('trace')")):
        before = file.read_bytes()
        file.write_bytes(content)
        refused(model, f"files of model {model} have changed since they were logged, and are not used[.]")
        file.write_bytes(before)
    torch.save(Attack(trace), weights)
    refused(run.info.run_id, "the artifact weights.pt of run .* has changed since it was logged, and is not used[.]")
    client.delete_tag(run.info.run_id, "lrstudy.file_digests")  # as a run of an earlier version has none
    refused(run.info.run_id, "its weights.pt is not a file of tensors alone, and is not read[.]")
    torch.save({"0.weight": torch.zeros(3)}, weights)
    refused(run.info.run_id, "its weights.pt does not fit the network that its settings describe[.]")
    facts.write_text('{"classes": 5}')
    refused(run.info.run_id, "its data.json is damaged, or of an early version of this project[.]")


def test_bad_input_is_one_sentence(server: tuple[MlflowClient, Run], tmp_path: Path) -> None:
    client, run = server
    foreign = client.create_run(run.info.experiment_id).info.run_id
    folder = write_photos(tmp_path / "new", 1)
    (tmp_path / "none").mkdir()
    shutil.copytree(folder, tmp_path / "others")
    (tmp_path / "others" / "dark").rename(tmp_path / "others" / "cat")
    (tmp_path / "bad.jpg").write_bytes(b"nonsense")
    run_id = run.info.run_id
    for model, images, more, sentence in (
        ("resnet", folder, [], "is not the address of a model; it must be models:/NAME@champion, .*"),
        ("0" * 32, folder, [], ": the tracking server .* has no run 0{32}[.]"),
        ("models:/nobody@champion", folder, [], ": the tracking server .* has no such registered version[.]"),
        ("models:/m-" + "0" * 32, folder, [], ": the tracking server .* has no such model[.]"),
        (foreign, folder, [], "was not trained by this project, .*"),
        (run_id, tmp_path / "nowhere", [], "does not exist: there is no '.*nowhere'[.]"),
        (run_id, tmp_path / "none", [], "has no images, in no folder within it either[.]"),
        (run_id, tmp_path / "bad.jpg", [], "cannot be used: not an image that Pillow can read[.]"),
        (
            run_id,
            tmp_path / "others",
            [],
            ": 'cat' is not a class of the model, which has 'bright & loud' and 'dark'; .*",
        ),
        (run_id, folder, ["--out", "no/where.csv"], "cannot be written: there is no folder .*/no[.]"),
        (run_id, folder, ["--out", "/proc/x.csv"], "cannot be written: .*"),
        (run_id, folder, ["--out", str(tmp_path)], "is a folder; name a file in it, as in predictions.csv[.]"),
    ):
        ended = predict(model, images, *more)
        assert ended.returncode == 2
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert re.fullmatch(rf"error: (model|images|out)='[^']*':? ?{sentence}", line.replace("': ", "': ")), line
    ended = predict(run_id, tmp_path / "others", "--labels", "none")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_mlflow_run_predicts_a_file(server: tuple[MlflowClient, Run], tmp_path: Path) -> None:
    image, table = tmp_path / "one.jpg", tmp_path / "table.csv"
    image.write_bytes(photo(7, bright=True))
    ended = mlflow_run("predict", model=server[1].info.run_id, images=str(image), out=str(table))
    assert ended.returncode == 0, ended.stderr
    assert [row["file"] for row in rows(table)] == ["one.jpg"]
