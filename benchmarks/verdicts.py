"""Print how often the verdicts agree with judgements by eye: `python benchmarks/verdicts.py`.

`judged_curves.json` has 160 trainings of three kinds of network on made images (two to a thousand classes, even and
uneven shares, pure noise), digits, photographs and patches of photographs, with five optimizers and random learning
rates. Each was given a word by its picture alone, without its verdict or learning rate. The rules were set with the 60
curves called `tuning`; the 100 called `unseen` measure them. At first they agreed on 89 of these; then two rules were
mended that had called a validation loss above that of guessing good, and a loss that was about to fall collapsed. The
interval is Wilson's, of 95%.

Most of the trainings then went on to three times their epochs: the last lines say how many of those that gained 2% or
more were found to be still improving.
"""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from lrstudy.training.epoch import Epoch
from lrstudy.training.verdict import Curve, judge
from lrstudy.verdicts.convergence import still_improves

CURVES = Path(__file__).with_name("judged_curves.json")
GAIN = 0.02
Z = 1.96  # of a 95% interval

Judged = dict[str, Any]


def judged_curves() -> list[tuple[Judged, Curve]]:
    """Return the records of the file, each with its curve; a loss that is not a finite number is null there."""
    records = json.loads(CURVES.read_text(encoding="utf-8"))
    return [(record, _curve(record)) for record in records]


def _curve(record: Judged) -> Curve:
    losses = zip(record["train_loss"], record["val_loss"], record["val_accuracy"], strict=True)
    history = [
        Epoch(number, _loss(train), math.nan, _loss(val), accuracy, 0.0, 0.0)
        for number, (train, val, accuracy) in enumerate(losses)
    ]
    return Curve(history, record["chance_loss"], record["chance_accuracy"])


def _loss(value: float | None) -> float:
    return math.nan if value is None else value


def wilson(agreed: int, of: int) -> tuple[float, float]:
    """Return the 95% interval of a share: E. B. Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953."""
    share = agreed / of
    centre = (share + Z**2 / (2 * of)) / (1 + Z**2 / of)
    half = Z / (1 + Z**2 / of) * math.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return centre - half, centre + half


def agreement(curves: Sequence[tuple[Judged, Curve]]) -> str:
    """Return the number of curves on which the verdict is the word by eye, with its share and interval."""
    agreed, of = sum(judge(curve).word == record["judgement"] for record, curve in curves), len(curves)
    low, high = wilson(agreed, of)
    return f"{agreed} of {of}, {agreed / of:.0%} ({low:.0%} to {high:.0%})"


def disagreements(curves: Sequence[tuple[Judged, Curve]]) -> Iterator[str]:
    """Yield a line per curve on which the words differ."""
    for record, curve in curves:
        verdict = judge(curve)
        if verdict.word != record["judgement"]:
            setup = f"{record['data']}, {record['model']}, {record['optimizer']} {record['lr']:g}"
            yield f"  {setup}: {record['judgement']} by eye, {verdict.word} by the rules ({verdict.reason})"


def improvement(curves: Sequence[tuple[Judged, Curve]]) -> str:
    """Return how many of the trainings that gained by longer training were found, and how many were found wrongly."""
    longer = [
        (still_improves(curve.val), 1 - record["lowest_after_three_times_the_epochs"] / min(curve.val) >= GAIN)
        for record, curve in curves
        if record["lowest_after_three_times_the_epochs"] is not None
    ]
    found, right = sum(improves for improves, _ in longer), sum(improves and gains for improves, gains in longer)
    return (
        f"{right} of {sum(gains for _, gains in longer)} found; {right} of {found} findings right (n = {len(longer)})"
    )


def main() -> None:
    """Print the agreement of both halves, and the curves on which the words differ."""
    curves = judged_curves()
    for part in ("tuning", "unseen"):
        own = [pair for pair in curves if pair[0]["part"] == part]
        print(f"{part}: {agreement(own)}")
        print(*disagreements(own), sep="\n")
        print(f"{part}, still improving: {improvement(own)}")


if __name__ == "__main__":
    main()
