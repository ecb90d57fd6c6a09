"""The command `predict`, from its command line to its end."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import numpy as np

from lrstudy.compat.interpreter import gc_paused
from lrstudy.data.decoding import decoding_pool
from lrstudy.data.progress import image_progress
from lrstudy.errors import DataError, SettingsError
from lrstudy.formatting import pluralize, printable, setting_error
from lrstudy.hardware import usable_cores
from lrstudy.prediction.classify import Predictions, classify
from lrstudy.prediction.decode_files import DecodedFiles
from lrstudy.prediction.evaluation import describe_counts, describe_scores
from lrstudy.prediction.image_files import ImageFiles, find_images
from lrstudy.prediction.model_address import find_model
from lrstudy.prediction.output_files import output_path, page_path, table_of, write_text
from lrstudy.prediction.tiles import Thumbnails, render_tiles
from lrstudy.prediction.trained_network import TrainedNetwork, load_network
from lrstudy.redaction import redact_credentials
from lrstudy.settings import PredictSettings
from lrstudy.tracking.database import is_new_database
from lrstudy.tracking.server import connected_client


def predict(settings: PredictSettings) -> None:
    """Write the classes of images to a table, and print them in short.

    Raises:
        LearningRateStudyError: the model or the images cannot be used, or the table cannot be written.
    """
    out = output_path(settings.out, has_page=settings.tile)
    network = _load(settings)
    files = find_images(settings.images, network.classes, settings.labels)
    print(_beginning(network, files), flush=True)
    thumbnails = Thumbnails() if settings.tile else None
    predictions = _classify(settings, files, network, thumbnails)
    for row, reason in predictions.broken.items():
        print(f"not read: {printable(files.paths[row])}: {reason}", file=sys.stderr)
    if len(predictions.broken) == len(files.paths):
        first = next(iter(predictions.broken.values()))
        several = f": none of its {len(files.paths)} images can be read; of the first, the reason is: {first}."
        problem = several if len(files.paths) > 1 else f"cannot be used: {first}."
        raise DataError(setting_error("images", settings.images, problem))
    write_text(settings.out, out, table_of(files, predictions, network.classes))
    written = [_shown(out)]
    if thumbnails:
        page = page_path(out)
        write_text(settings.out, page, render_tiles(files, predictions, network.classes, thumbnails, page))
        written.append(_shown(page))
    print(_summary(files, predictions, network), f"written: {' and '.join(written)}", sep="\n", flush=True)


def _shown(path: Path) -> str:
    """Return a path from the current folder on, if it is in it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _load(settings: PredictSettings) -> TrainedNetwork:
    uri = mlflow.get_tracking_uri()
    if is_new_database(uri):
        problem = (
            f": there is no tracking database {redact_credentials(uri)}; MLFLOW_TRACKING_URI can name another one."
        )
        raise SettingsError(setting_error("model", settings.model, problem))
    with gc_paused(), connected_client() as client:  # which imports MLflow's store
        return load_network(client, settings.model, find_model(client, settings.model))


def _classify(
    settings: PredictSettings, files: ImageFiles, network: TrainedNetwork, thumbnails: Thumbnails | None
) -> Predictions:
    processes = min(usable_cores(), len(files.paths))
    with decoding_pool(processes) as pool, image_progress("classifying", len(files.paths)) as done:

        def use(decoded: DecodedFiles) -> None:
            if thumbnails:
                thumbnails.add(decoded)
            done(len(decoded))

        return classify(files, network, settings.device, pool, use)


def _beginning(network: TrainedNetwork, files: ImageFiles) -> str:
    colour = "grey" if network.image_format.channels == 1 else "colour"
    side = network.image_format.side
    return (
        f"model: {network.settings.model} of run {network.run_id}, trained on {network.data}, "
        f"{pluralize(len(network.classes), 'class', 'classes')}, {colour} images of {side}×{side} pixels\n"
        f"images: {pluralize(len(files.paths), 'file')}"
        + (", compared with the classes that their folders name" if files.labels is not None else "")
    )


def _summary(files: ImageFiles, predictions: Predictions, network: TrainedNetwork) -> str:
    read = np.setdiff1d(np.arange(len(files.paths)), list(predictions.broken))
    predicted = predictions.classes[read]
    broken = f"; {pluralize(len(predictions.broken), 'file')} not read" if predictions.broken else ""
    counts = f"{describe_counts(predicted, network.classes)}{broken}"
    if files.labels is None:
        return counts
    return f"{counts}\n{describe_scores(np.array(files.labels)[read], predicted, network.classes)}"
