"""Compare a training on a GPU with a plain loop: `python benchmarks/gpu.py [--model resnet50 --precision bf16 …]`.

Prints the images per second of (a) this project, with each of the features of a GPU switched off in turn, and of (b) a
plain loop: channels last, normalised images on the device, Adam. The two alternate, each in a process of its own. By
default the network is a ResNet-50 on random images of 224×224 pixels, in bf16. Other settings can be given.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from statistics import median

import torch

from gpu_trainings import ALL_ON, Features, Images, images_per_second, plain_images_per_second
from lrstudy.cli.command_line import parse
from lrstudy.settings import TrainSettings

DEFAULTS = ["--model", "resnet50", "--precision", "bf16", "--batch_size", "128", "--epochs", "8", "--image_size", "224"]
BATCHES, REPEATS = 8, 3
VARIANTS = {
    "(a) this project": ALL_ON,
    "  without CUDA graphs": ALL_ON._replace(graphs=False),
    "  images read ahead, not on the device": ALL_ON._replace(images_on_device=False),
    "  images read in turn, not on the device": ALL_ON._replace(images_on_device=False, read_ahead=False),
}


def compare(settings: TrainSettings, variants: dict[str, Features], repeats: int) -> dict[str, list[float]]:
    """Return the images per second of each variant, and of the plain loop as `(b)`, measured in turn."""
    images = Images(BATCHES * settings.batch_size * 10 // 8, settings.image_size)
    spawned = multiprocessing.get_context("spawn")
    measured: dict[str, list[float]] = {name: [] for name in [*variants, "(b)"]}
    # The plain loop has a process without this project's deterministic kernels.
    with ProcessPoolExecutor(1, spawned) as ours, ProcessPoolExecutor(1, spawned) as plain:
        for _ in range(repeats):
            for name, features in variants.items():
                measured[name].append(ours.submit(images_per_second, settings, images, features).result())
            measured["(b)"].append(plain.submit(plain_images_per_second, settings, images).result())
    return measured


def main(arguments: list[str]) -> None:
    """Print the medians, and their ratios to the plain loop."""
    if not torch.cuda.is_available():
        print("torch finds no GPU here; this benchmark needs one.")
        sys.exit(2)
    settings = parse(TrainSettings, [*DEFAULTS, *arguments])
    print(f"{torch.cuda.get_device_name()}: {settings.model}, {settings.image_size} pixels, {settings.precision}")
    medians = {name: median(rates) for name, rates in compare(settings, VARIANTS, REPEATS).items()}
    plain = medians.pop("(b)")
    for name, rate in medians.items():
        print(f"{name:<40} {rate:8.0f} images/s, {rate / plain:.2f} of (b)")
    print(f"{'(b) plain loop':<40} {plain:8.0f} images/s (medians of {REPEATS})")


if __name__ == "__main__":
    main(sys.argv[1:])
