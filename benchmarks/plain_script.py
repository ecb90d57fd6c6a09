"""The study's grid as in the documentation of PyTorch, MLflow and Optuna: `python benchmarks/plain_script.py`.

A DataLoader, `log_metrics` per epoch, `log_model` with its defaults, Optuna's grid sampler. `benchmarks/study.py`
compares the study with it; `--data` is `digits` or a folder of class folders, `--epochs` and `--side` are numbers.
"""

import argparse
from typing import Any

import mlflow
import numpy as np
import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision import datasets, transforms

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
}


def load(data: str, side: int) -> tuple[Dataset[Any], list[int]]:
    """Return a data set of normalised images and labels."""
    if data == "digits":
        digits = load_digits()
        images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
        return TensorDataset(images, torch.from_numpy(digits.target)), digits.target.tolist()
    scaled = transforms.Compose([transforms.Resize(side), transforms.CenterCrop(side), transforms.ToTensor()])
    folder = datasets.ImageFolder(data, scaled)
    return folder, folder.targets


def main() -> None:
    """Train the twelve configurations, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    everything, labels = load(arguments.data, arguments.side)
    rows, test = train_test_split(np.arange(len(labels)), test_size=0.15, stratify=labels, random_state=0)
    kept = [labels[row] for row in rows]
    train, validation = train_test_split(rows, test_size=0.15 / 0.85, stratify=kept, random_state=0)
    train_loader = DataLoader(Subset(everything, train), batch_size=256, shuffle=True)
    val_loader = DataLoader(Subset(everything, validation), batch_size=256)
    test_loader = DataLoader(Subset(everything, test), batch_size=256)
    inputs = everything[0][0].numel()
    criterion = nn.CrossEntropyLoss()

    def evaluate(network: nn.Module, loader: DataLoader[Any]) -> tuple[float, float]:
        network.eval()
        total, correct, count = 0.0, 0, 0
        with torch.no_grad():
            for images, targets in loader:
                logits = network(images)
                total += criterion(logits, targets).item() * len(targets)
                correct += (logits.argmax(1) == targets).sum().item()
                count += len(targets)
        return total / count, correct / count

    def objective(trial: optuna.Trial) -> float:
        name = trial.suggest_categorical("optimizer", list(OPTIMIZERS))
        lr = trial.suggest_categorical("lr", [0.1, 0.01, 0.001])
        with mlflow.start_run(run_name=f"{name} lr={lr}", nested=True):
            mlflow.log_params({"optimizer": name, "lr": lr, "epochs": arguments.epochs, "batch_size": 256})
            torch.manual_seed(0)
            network = nn.Sequential(
                nn.Flatten(),
                *(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()),
                nn.Linear(64, 10),
            )
            optimizer = OPTIMIZERS[name](network.parameters(), lr=lr)
            best = float("inf")
            for epoch in range(1, arguments.epochs + 1):
                network.train()
                total, correct, count = 0.0, 0, 0
                for images, targets in train_loader:
                    optimizer.zero_grad()
                    logits = network(images)
                    loss = criterion(logits, targets)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(targets)
                    correct += (logits.argmax(1) == targets).sum().item()
                    count += len(targets)
                val_loss, val_accuracy = evaluate(network, val_loader)
                metrics = {"train_loss": total / count, "train_accuracy": correct / count}
                mlflow.log_metrics(metrics | {"val_loss": val_loss, "val_accuracy": val_accuracy}, step=epoch)
                best = min(best, val_loss) if val_loss == val_loss else best
            test_loss, test_accuracy = evaluate(network, test_loader)
            mlflow.log_metrics({"test_loss": test_loss, "test_accuracy": test_accuracy})
            example = everything[0][0].unsqueeze(0).numpy()
            mlflow.pytorch.log_model(network, name="model", input_example=example)
        return best if best < float("inf") else 1e9

    space: dict[str, Any] = {"optimizer": list(OPTIMIZERS), "lr": [0.1, 0.01, 0.001]}
    with mlflow.start_run(run_name="grid"):
        study = optuna.create_study(sampler=optuna.samplers.GridSampler(space, seed=0))
        study.optimize(objective)
        mlflow.log_params({f"best_{name}": value for name, value in study.best_params.items()})
        print(f"best {study.best_params} {study.best_value:.4f}")


if __name__ == "__main__":
    main()
