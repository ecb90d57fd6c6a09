"""Write the generated parts of the pages: `python docs/generate.py`.

The tables of settings come from the declared fields. The pictures of the verdicts show synthetic curves, each with the
verdict that `judge` gives it.
"""

import io
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "src"))

import matplotlib as mpl
from matplotlib.figure import Figure
from pydantic.fields import FieldInfo

from lrstudy.formatting import format_setting
from lrstudy.settings import CommonSettings, TrainSettings
from lrstudy.settings.mlproject import ENTRY_POINTS
from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Curve, Verdict, judge

SETTINGS_PAGE = DOCS / "reference" / "settings.md"
EPOCHS = 50
CHANCE_LOSS, CHANCE_ACCURACY = math.log(10), 0.1
Loss = Callable[[float], float]  # of the share of the training that is done, 0 to 1
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "verdicts",
}


def settings_table(entry_point: str) -> str:
    """Return the table of an entry point's settings; a study's leaves out those that it shares with a training."""
    _, kind = ENTRY_POINTS[entry_point]
    shared = {} if kind is TrainSettings else CommonSettings.model_fields
    rows = [_row(name, field) for name, field in kind.model_fields.items() if not _is_shared(field, shared.get(name))]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows])


def _is_shared(field: FieldInfo, of_trainings: FieldInfo | None) -> bool:
    """Return whether a field is that of all trainings, or at least has its default."""
    return of_trainings is not None and (field.is_required() or field.default == of_trainings.default)


def _row(name: str, field: FieldInfo) -> str:
    default = "(required)" if field.is_required() else format_setting(field.default)
    return f"| {name} | {default} | {field.description} |"


def settings_page() -> str:
    """Return the page of the settings, each table as the fields declare it now."""
    return re.sub(
        r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{settings_table(match[2])}\n\n{match[3]}",
        SETTINGS_PAGE.read_text(encoding="utf-8"),
        flags=re.S,
    )


def example_curves() -> dict[str, Curve]:
    """Return a synthetic curve for each verdict."""
    return {
        "good": _curve(_falling(12), lambda t: 0.1 + CHANCE_LOSS * math.exp(-11 * t)),
        "overfits": _curve(_falling(12), lambda t: CHANCE_LOSS * math.exp(-12 * t) + 1.3 * t),
        "too slow": _curve(_falling(0.8), _falling(0.75), accuracy=0.5),
        "unstable": _curve(lambda t: 1.1 + 0.8 * math.sin(61 * t) * math.cos(17 * t) if t else CHANCE_LOSS),
        "collapsed": _curve(
            lambda t: CHANCE_LOSS + (4 * math.exp(-((t - 0.1) ** 2) / 0.002) if t else 0) + _hum(t), accuracy=0.1
        ),
        "diverged": _curve(lambda t: CHANCE_LOSS * math.exp(1.6 * t) + 20 * _hum(t), accuracy=0.1),
    }


def _falling(speed: float) -> Loss:
    return lambda t: CHANCE_LOSS * math.exp(-speed * t)


def _hum(t: float) -> float:
    return 0.02 * math.sin(97 * t)


def _curve(train: Loss, val: Loss | None = None, accuracy: float = 0.9) -> Curve:
    losses = [(train(epoch / EPOCHS), (val or train)(epoch / EPOCHS)) for epoch in range(EPOCHS + 1)]
    history = [Epoch(number, t, accuracy, v, accuracy, 1.0, 0.1) for number, (t, v) in enumerate(losses)]
    return Curve(history, CHANCE_LOSS, CHANCE_ACCURACY)


def draw_verdict(curve: Curve, verdict: Verdict) -> bytes:
    """Return the picture of a curve and its verdict, as an SVG file."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2, 2.0), layout="constrained")
        axes = figure.subplots()
        axes.axhline(curve.chance_loss, color="#BBBBBB", linewidth=0.8, linestyle=":")
        axes.plot(curve.train, color="#0072B2", label="training loss")
        axes.plot(curve.val, color="#D55E00", linestyle="--", label="validation loss")
        axes.set(xlabel="epoch", title=verdict.word, ylim=(0, None))
        axes.legend(frameon=False, fontsize=8)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def verdict_picture(word: str) -> Path:
    """Return the path of a verdict's picture."""
    return DOCS / "images" / f"verdict-{word.replace(' ', '-')}.svg"


def main() -> None:
    """Write the page of the settings and the pictures of the verdicts."""
    SETTINGS_PAGE.write_text(settings_page(), encoding="utf-8")
    for word, curve in example_curves().items():
        verdict_picture(word).write_bytes(draw_verdict(curve, judge(curve)))


if __name__ == "__main__":
    main()
