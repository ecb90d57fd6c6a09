"""Copy the source of the model that MLflow loads, under another name than this project's.

The package's name ends with a digest of its content: a process can load models of several versions of the project side
by side, also one that has imported the project itself.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# `lrstudy.image_model.classifier` and the modules that it needs.
MODULES = (
    *("compat/mlflow_serving", "compat/pillow_internals"),
    *("data/colour_profiles", "data/file_formats", "data/image_format", "data/image_preprocessing", "data/png_gamma"),
    *("data/scaling", "data/tiff_planes", "data/transparency", "data/value_ranges", "data/wide_samples"),
    *("image_model/prediction_table", "image_model/classifier", "image_model/image_inputs"),
)
INIT = "__init__.py"
NOTE = '"""A copy of the code that reads images, from the project that trained the model."""\n'
IMPORT = re.compile(r"^(\s*from )lrstudy\b", re.M)
# The file that MLflow runs: a model from code.
ENTRY = """\
import mlflow

from {package}.image_model.classifier import ImageClassifier

mlflow.models.set_model(ImageClassifier())
"""


def write_source(folder: Path) -> tuple[Path, Path]:
    """Write the model's package and the file that makes a model from it; return the paths of the two."""
    sources = _sources()
    package = _package_name(sources)
    for module, text in sources.items():
        file = folder / package / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / INIT).write_text(NOTE, encoding="utf-8")
        file.write_text(IMPORT.sub(rf"\g<1>{package}", text), encoding="utf-8")
    (folder / package / INIT).write_text(NOTE, encoding="utf-8")
    entry = folder / "image_classifier.py"
    entry.write_text(ENTRY.format(package=package), encoding="utf-8")
    return folder / package, entry


@cache
def _sources() -> dict[str, str]:
    return {module: (PROJECT / f"{module}.py").read_text(encoding="utf-8") for module in MODULES}


def _package_name(sources: dict[str, str]) -> str:
    return f"image_classifier_{hashlib.sha256(repr(sources).encode()).hexdigest()[:12]}"
