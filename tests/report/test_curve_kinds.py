"""The four kinds of loss curve: an example of each, and where a missing one would be seen."""

import itertools

import numpy as np
from matplotlib.text import Text

from known_runs import falling, log_training
from lrstudy.report.curve_kinds import describe_curve, find_examples
from lrstudy.report.group_report import GroupReport, build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.sections import kinds

BLOWN_UP = {"train_loss": [2.3, 80.0, 2.4, 2.4, 2.4], "val_loss": [2.3, 90.0, 2.5, 2.4, 2.4], "val_accuracy": [0.1] * 5}
SLOW = {"train_loss": [2.3, 2.25, 2.2, 2.15, 2.1], "val_loss": [2.3, 2.26, 2.22, 2.18, 2.14], "val_accuracy": [0.2] * 5}
TURNING = {
    "train_loss": [2.3, 0.5, 0.1, 0.05, 0.01],
    "val_loss": [2.3, 0.4, 0.2, 0.3, 0.4],
    "val_accuracy": [0.1, 0.8, 0.9, 0.9, 0.9],
}


def report_of(experiment: str) -> GroupReport:
    (one,) = build_report(load_runs(experiment=experiment)).group_reports
    return one


def test_the_good_curve_is_the_best_cells_and_the_others_are_of_the_optimizer_that_shows_most(experiment: str) -> None:
    verdicts = {"10": "collapsed", "1": "unstable", "0.1": "good", "0.01": "too slow"}
    for optimizer, lrs in (("sgd", verdicts), ("adam", ["0.1", "0.01"])):
        for lr in lrs:
            curves = {"10": BLOWN_UP, "1": falling(1.0), "0.1": falling(0.1), "0.01": SLOW}[lr]
            curves = falling(0.05) if (optimizer, lr) == ("adam", "0.1") else curves
            log_training(experiment, curves, optimizer=optimizer, lr=lr, tags={"lrstudy.verdict": verdicts[lr]})
    one = report_of(experiment)
    examples = find_examples(one.comparison)
    assert [example.kind for example in examples] == ["very high", "high", "good", "low"]
    assert [example.cell.name for example in examples if example.cell] == ["sgd 10", "sgd 1", "adam 0.1", "sgd 0.01"]
    (drawing,) = kinds.draw(one)
    (axes,) = drawing.figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert sorted(texts) == ["good: adam 0.1", "high: sgd 1", "low: sgd 0.01", "very high: sgd 10"]
    by_id = {str(line.get_gid()): line for line in axes.lines if line.get_gid()}
    assert np.allclose(np.asarray(by_id["curve:sgd 0.01|validation"].get_ydata(), float), SLOW["val_loss"])


def test_names_on_the_lines_do_not_overlap(experiment: str) -> None:
    verdicts = {"10": "unstable", "1": "unstable", "0.1": "good", "0.01": "too slow"}
    for number, (lr, verdict) in enumerate(verdicts.items()):
        log_training(experiment, falling(0.5 + number / 1000), lr=lr, tags={"lrstudy.verdict": verdict})
    (drawing,) = kinds.draw(report_of(experiment))
    figure = drawing.figure
    figure.draw_without_rendering()
    boxes = sorted((Text.get_window_extent(text) for text in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) == 3
    assert all(above.y0 >= below.y1 - 1 for below, above in itertools.pairwise(boxes))
    assert boxes[-1].y1 <= figure.bbox.y1


def test_a_missing_kind_is_placed_by_the_trainings_that_there_are(experiment: str) -> None:
    log_training(experiment, falling(0.1, 40), lr="0.1", epochs=40, tags={"lrstudy.verdict": "good"})
    log_training(experiment, falling(0.3, 40), lr="0.3", epochs=40, tags={"lrstudy.verdict": "unstable"})
    sentences = {example.kind: example.sentence for example in find_examples(report_of(experiment).comparison)}
    assert sentences["very high"] == "Very high: no training shows it; adam at about 0.9 probably would."
    # The target is reached within 5 of 40 epochs: an eighth of the rate, and half a decade less, would be too low.
    assert sentences["low"].startswith("Low: no training shows it; adam at about 0.00")


def test_words_and_picture_agree_where_a_good_rate_overfits(experiment: str) -> None:
    log_training(experiment, TURNING, lr="1", tags={"lrstudy.verdict": "overfits"})
    log_training(experiment, falling(0.5), lr="0.1", tags={"lrstudy.verdict": "good"})
    comparison = report_of(experiment).comparison
    assert comparison.best is not None
    assert describe_curve(comparison, comparison.best) == "good: lowest at epoch 2, then overfits"


def test_runs_without_curves_have_no_panel(experiment: str) -> None:
    run = log_training(experiment, {"val_loss": [0.5]}, lr="0.1")
    assert run
    assert list(kinds.draw(report_of(experiment))) == []
