"""The study's grid as fast as a hand-tuned script: `python benchmarks/hand_tuned.py`.

The whole set as tensors, two processes of one thread each, each run's metrics in one call, no artifacts.
`benchmarks/study.py` compares the study with it; `--data` is `digits` or a folder of class folders.
"""

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import mlflow
import numpy as np
import optuna
import torch
from mlflow.entities import Metric, Param
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.datasets import ImageFolder

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
}
Parts = dict[str, tuple[torch.Tensor, torch.Tensor]]


def load(data: str, side: int) -> Parts:
    """Return normalised images `(n, channels × side × side)` and labels of each split."""
    if data == "digits":
        digits = load_digits()
        images, labels = torch.from_numpy(digits.images).float().flatten(1) / 16, digits.target
    else:
        folder = ImageFolder(data)
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            scaled = list(pool.map(partial(_scale, side), [path for path, _ in folder.samples], chunksize=16))
        images, labels = torch.from_numpy(np.stack(scaled)).float().flatten(1) / 255, np.array(folder.targets)
    rows, test = train_test_split(np.arange(len(labels)), test_size=0.15, stratify=labels, random_state=0)
    train, validation = train_test_split(rows, test_size=0.15 / 0.85, stratify=labels[rows], random_state=0)
    mean, std = images[train].mean(), images[train].std()
    parts = {"train": train, "validation": validation, "test": test}
    return {name: ((images[rows] - mean) / std, torch.from_numpy(labels[rows])) for name, rows in parts.items()}


def _scale(side: int, path: str) -> np.ndarray:
    with Image.open(path) as image:
        image.draft("RGB", (2 * side, 2 * side))
        return np.asarray(ImageOps.pad(ImageOps.exif_transpose(image).convert("RGB"), (side, side)))


def train(parts: Parts, epochs: int, optimizer_name: str, lr: float) -> list[dict[str, float]]:
    """Return the losses and accuracies of each epoch."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, labels = parts["train"]
    network = nn.Sequential(
        *(nn.Linear(images.shape[1], 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()),
        nn.Linear(64, 10),
    )
    optimizer = OPTIMIZERS[optimizer_name](network.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        losses, correct = [], []
        for rows in torch.randperm(len(images)).split(256):  # type: ignore[no-untyped-call]
            logits = network(images[rows])
            loss = cross_entropy(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach() * len(rows))
            correct.append((logits.argmax(1) == labels[rows]).sum())
        scores = {"train_loss": torch.stack(losses).sum(), "train_accuracy": torch.stack(correct).sum()}
        with torch.inference_mode():
            val_logits, val_labels = network(parts["validation"][0]), parts["validation"][1]
            val = {
                "val_loss": cross_entropy(val_logits, val_labels).item(),
                "val_accuracy": (val_logits.argmax(1) == val_labels).double().mean().item(),
            }
        history.append({name: value.item() / len(images) for name, value in scores.items()} | val)
    return history


def main() -> None:
    """Train the twelve configurations in two processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parts = load(arguments.data, arguments.side)
    space: dict[str, Any] = {"optimizer": list(OPTIMIZERS), "lr": [0.1, 0.01, 0.001]}
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(space, seed=0))
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        running = []
        for _ in range(12):
            trial = study.ask()
            point = {name: trial.suggest_categorical(name, values) for name, values in space.items()}
            running.append((trial, point, pool.submit(train, parts, arguments.epochs, point["optimizer"], point["lr"])))
        client = mlflow.MlflowClient()
        experiment = client.search_experiments()[0].experiment_id
        parent = client.create_run(experiment, run_name="grid").info.run_id
        best: tuple[float, dict[str, Any]] = (float("inf"), {})
        for _, point, future in running:
            history = future.result()
            tags = {"mlflow.parentRunId": parent}
            run = client.create_run(experiment, run_name="{optimizer} lr={lr}".format(**point), tags=tags).info.run_id
            now = int(time.time() * 1000)
            metrics = [
                Metric(name, value, now, step) for step, row in enumerate(history, 1) for name, value in row.items()
            ]
            client.log_batch(run, metrics, [Param(name, str(value)) for name, value in point.items()])
            client.set_terminated(run)
            lowest = min(row["val_loss"] for row in history)
            best = min(best, (lowest, point), key=lambda pair: pair[0])
    client.set_terminated(parent)
    print(f"best {best[1]} {best[0]:.4f}")


if __name__ == "__main__":
    main()
