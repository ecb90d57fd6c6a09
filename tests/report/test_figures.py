"""The figures, by the data that they hold."""

import math

import numpy as np
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from contrast import contrast
from known_runs import falling, log_training
from lrstudy.report.figures.style import VERDICT_COLOURS, WIDTH, add_legend
from lrstudy.report.group_report import GroupReport, build_report
from lrstudy.report.load_runs import load_runs
from lrstudy.report.sections import curves, heat_map, shapes, sweep


def group_report(experiment: str) -> GroupReport:
    (one,) = build_report(load_runs(experiment=experiment)).group_reports
    return one


def curves_of(one: GroupReport, optimizer: str) -> Figure:
    (drawing,) = curves.draw_optimizers(one, [optimizer])
    return drawing.figure


def x(line: Line2D) -> list[float]:
    return [float(value) for value in np.asarray(line.get_xdata())]


def y(line: Line2D) -> list[float]:
    return [float(value) for value in np.asarray(line.get_ydata())]


def test_curves_are_those_that_were_logged_in_the_colours_order_of_their_learning_rates(experiment: str) -> None:
    logged = {"0.1": falling(0.4), "0.01": falling(0.2), "0.001": falling(0.3)}
    for lr, of_lr in logged.items():
        log_training(experiment, of_lr, lr=lr)
    figure = curves_of(group_report(experiment), "adam")
    for axes, name in zip(figure.axes, ("train_loss", "val_loss"), strict=True):
        drawn = [y(line) for line in axes.lines]
        assert len(drawn) == 3
        for values, own in zip(drawn, logged.values(), strict=True):
            assert np.allclose(values, own[name])
    lightness = [sum(to_rgba(line.get_color())[:3]) for line in figure.axes[0].lines]
    assert lightness == sorted(lightness)  # the highest learning rate is first, and darkest
    (legend,) = figure.legends
    assert [text.get_text().partition(":")[0] for text in legend.get_texts()] == ["0.1", "0.01", "0.001"]


def test_all_optimizers_have_one_scale_that_an_explosion_does_not_stretch(experiment: str) -> None:
    log_training(experiment, falling(0.001, 12), optimizer="adam")
    log_training(experiment, {"train_loss": [2.3, 1e9, 3.0], "val_loss": [2.3, 1e8, 3.0]}, optimizer="sgd", lr="1")
    one = group_report(experiment)
    panels = [axes for name in ("sgd", "adam") for axes in curves_of(one, name).axes]
    ((low, high),) = {axes.get_ylim() for axes in panels}
    assert {axes.get_yscale() for axes in panels} == {"log"}
    assert low < 0.01
    assert 2.3 < high < 5
    for axes in curves_of(one, "sgd").axes:  # which leave at the second epoch
        (mark,) = [line for line in axes.lines if line.get_marker() == "^"]
        assert (x(mark), y(mark)) == ([1], [high])


def test_an_axis_spans_what_is_learned_below_the_loss_of_guessing(experiment: str) -> None:
    for lr, floor in (("0.01", 2.1), ("0.1", 2.25)):
        log_training(experiment, falling(floor), lr=lr)
    log_training(experiment, {"train_loss": [2.3, 24.0, 2.3], "val_loss": [2.3, 20.0, 2.3]}, lr="1")
    one = group_report(experiment)
    for axes in curves_of(one, "adam").axes:
        low, high = axes.get_ylim()
        assert axes.get_yscale() == "linear"
        assert 1.8 < low < 0.9 * 2.1 + 0.1
        assert 2.3 < high < 2.6
    (drawing,) = sweep.draw(one)
    low, high = drawing.figure.axes[0].get_ylim()
    assert 2.0 < low < 2.12
    assert 2.3 < high < 2.4


def test_where_all_cells_have_learned_the_sweep_ends_above_them_and_names_the_loss_of_guessing(experiment: str) -> None:
    for lr, floor in (("0.01", 0.08), ("0.1", 0.1)):
        log_training(experiment, falling(floor, 20), lr=lr, epochs=20)
    (drawing,) = sweep.draw(group_report(experiment))
    (axes,) = drawing.figure.axes
    assert 0.1 < axes.get_ylim()[1] < 0.12
    assert [text.get_text() for text in axes.texts] == ["guessing, 2.3, is above"]


def test_the_line_of_the_best_cell_is_the_boldest_however_many_points_an_optimizer_has(experiment: str) -> None:
    for number in range(20):
        log_training(experiment, falling(0.1 + abs(number - 10) / 20), optimizer="sgd", lr=10 ** (number / 5 - 3))
    for number in range(3):
        log_training(experiment, falling(0.5 + number / 10), optimizer="adam", lr=10 ** (number - 3))
    (drawing,) = sweep.draw(group_report(experiment))
    (axes,) = drawing.figure.axes
    widths = {line.get_label(): line.get_linewidth() for line in axes.lines if line.get_label() in ("sgd", "adam")}
    assert widths["sgd"] > 1.5 * widths["adam"]
    assert all(line.get_alpha() is None for line in axes.lines if line.get_label() in widths)


def test_a_legend_of_long_names_has_as_many_columns_as_the_figure_has_room_for() -> None:
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    for number in range(4):
        figure.subplots().plot([0, 1], label=f"rmsprop momentum=0.9{number}")
    add_legend(figure)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    first, _, third, _ = (text.get_window_extent() for text in legend.get_texts())
    assert third.x0 > first.x1


def test_a_diverged_training_is_drawn_to_where_it_died(experiment: str) -> None:
    dying = {"train_loss": [2.3, 5.0, 9.0, math.nan], "val_loss": [2.3, 6.0, math.inf, math.nan]}
    log_training(experiment, dying, tags={"lrstudy.verdict": "diverged"})
    training, validation = curves_of(group_report(experiment), "adam").axes
    line, cross = training.lines
    assert y(line) == [2.3, 5.0, 9.0]
    assert (x(cross), cross.get_marker()) == ([2], "x")
    line, cross = validation.lines
    assert y(line) == [2.3, 6.0]
    assert x(cross) == [1]


def test_bands_span_the_seeds(experiment: str) -> None:
    for seed, floor in enumerate((0.1, 0.3, 0.2)):
        log_training(experiment, falling(floor), seed=seed)
    _, axes = curves_of(group_report(experiment), "adam").axes
    (band,) = axes.collections
    corners = np.asarray(band.get_paths()[0].vertices, np.float64)
    assert np.isclose(corners[:, 1].min(), falling(0.1)["val_loss"][-1])
    at_the_end = corners[corners[:, 0] == 4][:, 1]
    assert np.isclose(at_the_end.max(), falling(0.3)["val_loss"][-1])


def test_many_learning_rates_have_a_colour_bar_and_a_legend_of_kinds(experiment: str) -> None:
    for number in range(60):
        log_training(experiment, falling(0.1 + number / 100), lr=10 ** (number / 10 - 5))
    figure = curves_of(group_report(experiment), "adam")
    assert len(figure.axes) == 3
    assert figure.axes[2].get_xlabel() == "learning rate"
    figure.canvas.draw()
    (legend,) = figure.legends
    assert sum(int(text.get_text().partition("(")[2].rstrip(")")) for text in legend.get_texts()) == 60


def test_the_sweep_has_a_point_per_learning_rate_a_ring_on_the_best_and_crosses_for_diverged_ones(
    experiment: str,
) -> None:
    floors = {"0.001": 0.4, "0.01": 0.1, "0.1": 0.6}
    for lr, floor in floors.items():
        log_training(experiment, falling(floor), lr=lr)
    log_training(experiment, {"val_loss": [2.3, math.nan], "train_loss": [2.3, math.nan]}, lr="1")
    (drawing,) = sweep.draw(group_report(experiment))
    (axes,) = drawing.figure.axes
    by_marker = {str(line.get_marker()): line for line in axes.lines if x(line)}
    points = by_marker["D"]
    assert x(points) == [0.001, 0.01, 0.1]
    assert np.allclose(y(points), [floor + (2.3 - floor) / 16 for floor in floors.values()])
    assert x(by_marker["x"]) == [1.0]
    assert x(by_marker["o"]) == [0.01]
    assert axes.get_xscale() == "log"


def test_crosses_of_the_diverged_are_within_an_axis_that_is_not_logarithmic(experiment: str) -> None:
    log_training(experiment, falling(1.9), lr="0.01")
    log_training(experiment, {"val_loss": [2.3, math.nan], "train_loss": [2.3, math.nan]}, lr="1")
    (drawing,) = sweep.draw(group_report(experiment))
    figure = drawing.figure
    (axes,) = figure.axes
    assert axes.get_yscale() == "linear"
    figure.draw_without_rendering()
    (cross,) = [line for line in axes.lines if line.get_marker() == "x" and x(line)]
    left, bottom, right, top = axes.get_window_extent().extents
    (at,) = cross.get_transform().transform(np.column_stack([x(cross), y(cross)]))
    assert left < at[0] < right
    assert bottom < at[1] < top


def test_shapes_that_diverged_or_collapsed_are_crosses_on_axes_that_all_panels_share(experiment: str) -> None:
    for hidden in ("8", "8,4"):
        for optimizer, lr in (("sgd", "0.1"), ("sgd", "0.01"), ("adam", "0.01")):
            log_training(experiment, falling(0.2), optimizer=optimizer, lr=lr, hidden=hidden)
    log_training(
        experiment, falling(2.0), optimizer="adam", lr="0.1", hidden="8,4", tags={"lrstudy.verdict": "collapsed"}
    )
    (drawing,) = shapes.draw(build_report(load_runs(experiment=experiment)))
    panels = drawing.figure.axes
    assert len({axes.get_xlim() for axes in panels}) == 1
    crosses = [x(line) for axes in panels for line in axes.lines if line.get_marker() == "x" and x(line)]
    assert crosses == [[0.1]]


def test_the_heat_map_names_each_verdict(experiment: str) -> None:
    log_training(experiment, falling(0.1), lr="0.01", tags={"lrstudy.verdict": "good"})
    log_training(experiment, falling(1.5), lr="0.1", tags={"lrstudy.verdict": "unstable"})
    (drawing,) = heat_map.draw(group_report(experiment))
    (axes,) = drawing.figure.axes
    assert [text.get_text().split("\n")[0] for text in axes.texts] == ["good, best so far", "unstable"]


def test_the_better_a_verdict_the_darker_it_is_in_grey() -> None:
    def grey(colour: str) -> float:
        red, green, blue, _ = to_rgba(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    shades = [grey(back) for back, _ in VERDICT_COLOURS.values()]
    assert shades[0] < shades[1] < min(shades[2:])


def test_letters_are_legible_on_their_colours() -> None:
    """A contrast of 4.5 to 1 at least: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
    for back, letters in VERDICT_COLOURS.values():
        assert contrast(to_rgb(back), to_rgb(letters)) >= 4.5


def test_the_same_figure_gives_the_same_file(experiment: str) -> None:
    for seed in (0, 1):
        log_training(experiment, falling(0.1 + seed / 100), seed=seed)
    for kind in ("svg", "png"):
        files = {drawing.file(kind) for _ in range(2) for drawing in curves.draw(group_report(experiment))}
        assert len(files) == 1, kind
