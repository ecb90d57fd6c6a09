"""The model by itself: loaded and served by MLflow, without this project."""

import ast
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel
from PIL import Image

from conftest import ROOT
from lrstudy.data.image_format import ImageFormat
from lrstudy.image_model.source_copy import MODULES, PROJECT
from lrstudy.networks import Shape, build_model
from lrstudy.prediction.model_address import find_model
from lrstudy.prediction.trained_network import load_network
from lrstudy.tracking.model_export import save_network
from lrstudy.training.data_splits import Normalise
from lrstudy.training.result import ModelInputs
from lrstudy.training.setup import Classifier
from servers import free_port
from winners import CLASSES, SIDE, photo, trained

CAMERA = (4000, 3000)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the model that a training has logged."""
    client, run = trained()
    (model,) = client.search_logged_models([run.info.experiment_id])
    folder = tmp_path_factory.mktemp("model")
    mlflow.artifacts.download_artifacts(model.artifact_location, dst_path=str(folder))
    return next(folder.rglob("MLmodel")).parent


@pytest.fixture(scope="module")
def model(model_folder: Path) -> PyFuncModel:
    loaded: PyFuncModel = mlflow.pyfunc.load_model(str(model_folder))
    return loaded


def of_network(*contents: bytes) -> np.ndarray:
    """Return the probabilities of the network that is rebuilt from the run, of images as training reads them."""
    client, run = trained()
    network = load_network(client, run.info.run_id, find_model(client, run.info.run_id))
    image_format = ImageFormat(SIDE, 3, "pad")
    pixels = np.stack([image_format.read_bytes(content) for content in contents])
    with torch.inference_mode():
        probabilities: np.ndarray = network.classifier(torch.from_numpy(pixels)).numpy()
    return probabilities


def answer_of(model: PyFuncModel, data: Any) -> pd.DataFrame:
    answer = model.predict(data)
    assert isinstance(answer, pd.DataFrame)
    return answer


def probabilities(answer: pd.DataFrame) -> np.ndarray:
    shares: np.ndarray = answer[[f"probability_{name}" for name in CLASSES]].to_numpy()
    return shares


def test_it_answers_with_classes_and_the_networks_probabilities_whatever_holds_the_images(
    model: PyFuncModel, tmp_path: Path
) -> None:
    contents = [photo(100, bright=True, size=(700, 500)), photo(101, bright=False, kind="PNG")]
    expected = of_network(*contents)
    paths = [tmp_path / "a.jpg", tmp_path / "b.png"]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    texts = [base64.encodebytes(content).decode() for content in contents]
    forms: list[Any] = [
        pd.DataFrame({"image": contents}),
        pd.DataFrame({"image": [str(path) for path in paths]}),
        pd.DataFrame({"another name": contents}, index=["x", "y"]),
        {"image": contents},
        contents,
        paths,
        pd.Series(contents),
        np.array(contents, dtype=object),
        np.array([content + bytes(7) for content in contents]),  # whose zeros NumPy drops
        [text.encode() for text in texts],
    ]
    for form in forms:
        answer = answer_of(model, form)
        assert list(answer["class"]) == list(CLASSES), form
        assert np.allclose(probabilities(answer), expected, atol=1e-5), form
    assert list(answer_of(model, forms[2]).index) == ["x", "y"]
    assert np.allclose(probabilities(answer_of(model, paths[0])), expected[:1], atol=1e-5)


def test_arrays_of_any_side_are_fitted(model: PyFuncModel) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 50, 3), dtype=np.uint8)
    expected = probabilities(answer_of(model, [images[0], images[1]]))
    assert np.allclose(probabilities(answer_of(model, images)), expected)
    assert np.allclose(probabilities(answer_of(model, {"image": images})), expected)
    assert np.allclose(probabilities(answer_of(model, images[0])), expected[:1])
    assert len(answer_of(model, images[..., 0])) == 2
    assert len(answer_of(model, [images[0], images[1, :9, :, 0]])) == 2
    assert len(answer_of(model, [])) == 0


def test_what_cannot_be_read_is_one_sentence_that_names_the_row(model: PyFuncModel, tmp_path: Path) -> None:
    good = photo(1, bright=True)
    for data, sentence in (
        ([good, good[:500]], "row 1 cannot be classified: damaged: "),
        ([good, b"", good], "row 1 cannot be classified: the file is empty"),
        ([tmp_path / "none.jpg"], "row 0 cannot be classified: the file does not exist"),
        ([None], "row 0 cannot be classified: NoneType is not an image"),
        (np.zeros((2, 3, 40, 40), np.uint8), "row 0 cannot be classified: an array of uint8 with the shape 3×40×40"),
        ({"image": [[[1, 2], [3, 4]]]}, "row 0 cannot be classified: a list of the shape 2×2"),
        (pd.DataFrame({"a": [1], "b": [2]}), "the input must have the column 'image'.*: a, b"),
    ):
        with pytest.raises(MlflowException, match=f"^{sentence}.*[.]$") as raised:
            answer_of(model, data)
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 250


def test_its_source_imports_no_other_module_of_the_project() -> None:
    known = {f"lrstudy.{module.replace('/', '.')}" for module in MODULES}
    imports = (
        (str(node.module), f"{node.module}.{node.names[0].name}")
        for module in MODULES
        for node in ast.walk(ast.parse((PROJECT / f"{module}.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lrstudy")
    )
    needed = {member if member in known else module for module, member in imports}
    assert needed <= known
    assert known - needed == {"lrstudy.image_model.classifier"}, "else a module is copied that none needs"


def test_it_holds_no_pickle_and_needs_what_it_lists(model_folder: Path) -> None:
    assert not [file for file in model_folder.rglob("*") if file.suffix in (".pkl", ".pth", ".pickle")]
    listed = {line.partition("==")[0] for line in (model_folder / "requirements.txt").read_text().split()}
    assert listed == {"mlflow", "torch", "numpy", "pillow", "pandas"}
    script = (
        "import sys, mlflow\n"
        f"model = mlflow.pyfunc.load_model({str(model_folder)!r})\n"
        f"model.predict([{photo(1, bright=True)!r}])\n"
        "print({'lrstudy', 'torchvision', 'sklearn', 'optuna', 'timm'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd="/")
    assert ended.stdout == "set()\n", ended.stderr
    assert "UserWarning" not in ended.stderr


def test_models_of_two_networks_are_loaded_side_by_side(model: PyFuncModel, tmp_path: Path) -> None:
    shape = Shape(channels=1, side=8, classes=3)
    network = build_model("mlp", shape, (4,))
    inputs = ModelInputs(np.zeros((2, 8, 8, 1), np.uint8), (0.0,), (1.0,), ("a", "b", "c"), "crop", {"x": (0.0, 1.0)})
    digest = save_network(Classifier(Normalise((0.0,), (1.0,)), network), inputs, tmp_path / "other", {})
    assert len(digest) == 64
    other = mlflow.pyfunc.load_model(str(tmp_path / "other"))
    assert list(answer_of(other, [photo(1, bright=True)]).columns) == ["class", *(f"probability_{n}" for n in "abc")]
    assert list(answer_of(model, [photo(1, bright=True)]).columns)[1:] == [f"probability_{name}" for name in CLASSES]
    raw = torch.zeros(3, 8, 8, 1, dtype=torch.uint8)
    with torch.inference_mode():
        expected = network(raw.float().permute(0, 3, 1, 2)).softmax(1)
        assert torch.allclose(mlflow.pytorch.load_model(str(tmp_path / "other"))(raw), expected, atol=1e-6)


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    """Serve a model on loopback, as a user does; yield its address when it answers."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folder), "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--env-manager", "local"],
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
    try:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and process.poll() is None:
            try:
                ask(f"http://127.0.0.1:{port}/ping")
                break
            except urllib.error.URLError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def ask(url: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def check_page(url: str, content: bytes, folder: Path) -> None:
    """Run the clients of the page on using a model, with the address of the server."""
    (folder / "photo.jpg").write_bytes(content)
    page = (ROOT / "docs/how-to/use-the-winner.md").read_text(encoding="utf-8")
    page = page.replace("http://127.0.0.1:5001/invocations", url)
    (command,) = re.findall(r"```sh\n(\(printf.*?)```", page, re.S)
    (client,) = re.findall(r"```py\n(.*?)```", page, re.S)
    ended = subprocess.run([sys.executable, "-c", client], capture_output=True, text=True, cwd=folder)
    assert ended.stdout == f"{CLASSES[0]}\n", ended.stderr
    if shutil.which("curl"):
        ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=folder)
        assert json.loads(ended.stdout)["predictions"][0]["class"] == CLASSES[0]


@pytest.mark.slow
def test_it_is_served_to_clients_that_send_files_of_cameras(model_folder: Path, tmp_path: Path) -> None:
    contents = [photo(200, bright=True, size=CAMERA), photo(201, bright=False, size=CAMERA[::-1], kind="BMP")]
    assert not contents[1].endswith(b"\0")
    texts = [base64.b64encode(content).decode() for content in contents]
    expected = of_network(*contents)
    payloads: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": ["image"], "data": [[text] for text in texts]}},
        {"dataframe_records": [{"image": text} for text in texts]},
        {"inputs": {"image": texts}},
        {"inputs": texts},
        {"instances": [{"image": text} for text in texts]},
    ]
    secret = tmp_path / "secret.png"
    Image.new("RGB", (9, 9)).save(secret)
    with serving(model_folder, tmp_path / "log") as url:
        for payload in payloads:
            status, text = ask(url, json.dumps(payload).encode())
            assert status == 200, text
            rows = json.loads(text)["predictions"]
            assert [row["class"] for row in rows] == list(CLASSES)
            found = np.array([[row[f"probability_{name}"] for name in CLASSES] for row in rows])
            assert np.allclose(found, expected, atol=1e-5)
        damaged = [texts[0], base64.b64encode(contents[0][:9999]).decode()]
        for payload in ({"dataframe_records": [{"image": text} for text in damaged]}, {"inputs": damaged}):
            status, text = ask(url, json.dumps(payload).encode())
            assert status == 400
            sentence = json.loads(text)["message"]
            assert sentence.startswith("row 1 cannot be classified: damaged"), sentence[:500]
            assert len(sentence) < 200
        check_page(url, contents[0], tmp_path)
        status, text = ask(url, f"image\n{secret}\n".encode(), "text/csv")
        assert status == 400
        assert "row 0 cannot be classified: not an image" in text, "a client's text names no file of the server"
