"""The page in a real browser, at a phone's width and at a desk's."""

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from contrast import contrast
from databases import empty_database
from known_runs import falling, log_study, log_training
from lrstudy.report.command_line import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the report of a grid of two optimizers and two shapes of network, with names that would be markup."""
    place = tmp_path_factory.mktemp("page")
    shutil.copy(empty_database(), place / "mlflow.db")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{place / 'mlflow.db'}")
    experiment = mlflow.create_experiment("pages", (place / "artifacts").as_uri())
    name = "grid <script>document.title = 'taken over'</script> & more"
    study = log_study(experiment, name=name, hidden="8;4", lrs="0.1,0.01,0.001")
    for optimizer in ("sgd", "<b>adam</b>"):
        for number, lr in enumerate(("0.1", "0.01", "0.001")):
            for hidden in ("8", "4"):
                for seed in range(3):
                    curves = falling((0.2 if optimizer == "sgd" else 0.1) * (1 + seed / 100) + number / 5, 50)
                    cell: dict[str, Any] = {"optimizer": optimizer, "lr": lr, "hidden": hidden, "seed": seed}
                    run = log_training(experiment, curves, parent=study, epochs=50, **cell)
                    if (optimizer, lr, hidden, seed) == ("<b>adam</b>", "0.1", "8", 1):
                        log_learned(run)
    report(["--out", str(place / "report")])
    yield place / "report"
    mlflow.set_tracking_uri(before)


def log_learned(run: str) -> None:
    """Log what a network has learned, with names of classes that would be markup."""
    pixel = io.BytesIO()
    Image.new("RGB", (96, 96), "red").save(pixel, "PNG")
    classes = {"true": "<i>a very long name of a class</i>", "predicted": "b & c"}
    layer = {"size": "16 maps of 8×8", "neurons": 1024, "caption": "Look for <u>edges</u>.", "accuracy": 0.5}
    layers = [layer | {"name": f"ReLU {number}", "figure": f"figures/layers/{number}.png"} for number in (1, 2)]
    content = {"images": 9, "pixels_accuracy": 0.25, "accuracy": 1.0, "shown": [classes], "layers": layers}
    png = base64.b64encode(pixel.getvalue()).decode()
    mistakes = {"images": 9, "misclassified": 30, "shown": 24 * [classes | {"confidence": 0.75, "png": png}]}
    client = mlflow.MlflowClient()
    client.log_dict(run, content, "layers.json")
    client.log_dict(run, mistakes, "mistakes.json")
    for one in layers:
        client.log_image(run, Image.open(pixel), str(one["figure"]))


@pytest.fixture
def address(folder: Path) -> str:
    return (folder / "index.html").as_uri()


def opened(browser: Browser, address: str, width: int) -> tuple[Page, list[str]]:
    """Return the page, and the addresses that it requests."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    return page, asked


def test_it_reads_well_at_every_width_without_a_network(browser: Browser, address: str) -> None:
    for width in (400, 1400, 2200):
        page, asked = opened(browser, address, width)
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        images = page.locator("figure svg")
        # For each shape the kinds, two optimizers' curves and a sweep; the gaps of the shapes, and all their cells.
        assert images.count() == 10
        for image in images.all():
            assert len(image.get_attribute("aria-label") or "") > 40
            box = image.bounding_box()
            assert box is not None
            # At 4.8 inches, 460 pixels, letters of 10 points are 13 pixels high; at 340 they are 10.
            assert 340 <= box["width"] <= 600
        assert page.locator("figure details table").count() == 10
        assert page.title().startswith("Learning-rate report: grid <script>")
        assert page.locator("th", has_text="<b>adam</b>").count() > 0
        page.close()


def test_the_recommendation_comes_first_then_the_warnings_then_the_evidence(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1400)
    assert page.locator("main strong").first.inner_text() == "Of 2 shapes of network, 8 is best, with <b>adam</b> 0.1"
    assert page.locator("#group-1 .answer strong").inner_text() == "Use <b>adam</b> with a learning rate of 0.1"
    headings = page.locator("#group-1").locator("h2, h3").all_inner_texts()
    assert headings == [
        "Group 1: Recommendation",
        "Warnings",
        "Evidence",
        "Heat map",
        "Learning-rate sweep",
        "Why the others lose",
        "Loss curves",
        "Layers",
        "Misclassified images",
        "Tables",
    ]
    assert page.locator("h2").all_inner_texts()[-3:] == ["Network shapes in detail", "Not included", "Provenance"]
    page.close()


def test_all_links_lead_to_existing_files_and_groups(browser: Browser, address: str, folder: Path) -> None:
    page, _ = opened(browser, address, 1400)
    links = page.eval_on_selector_all("a", "all => all.map(one => one.getAttribute('href'))")
    within = [link for link in links if link.startswith("#")]
    fields = page.eval_on_selector_all("td a", "all => all.map(one => one.getAttribute('href'))")
    assert all(page.locator(field).count() == 1 for field in set(fields))
    within = [link for link in within if link not in fields]
    assert [page.locator(f"{link} .answer strong").inner_text() for link in within] == [
        entry.partition(": ")[2].rstrip(".") for entry in page.locator("nav li").all_inner_texts()
    ]
    assert len(within) == 2
    files = [link for link in links if not link.startswith("#")]
    assert len(files) > 10
    assert [link for link in files if not (folder / link).is_file()] == []
    page.close()


def test_in_print_the_answer_is_on_the_first_sheet(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1400)
    page.emulate_media(media="print")
    assert page.locator(".answer").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


def test_hovering_over_a_curve_shows_its_name_and_the_values_that_were_logged(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1400)
    curve = page.locator("#curves_sgd [data-curve='sgd 0.01|validation'] path")
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"], box["y"] + box["height"])  # it falls to its last epoch
    tip = page.locator(".tip").inner_text()
    assert tip.startswith("sgd 0.01, validation: ")
    assert tip.endswith(" at epoch 50")
    value = float(tip.split(": ")[1].split(" at")[0])
    assert value == pytest.approx(0.2 * 1.01 + 1 / 5, rel=0.01)
    page.mouse.move(2, 2)
    assert not page.locator(".tip").is_visible()
    page.close()


def test_a_click_on_a_field_shows_the_curves_of_its_cell_and_without_a_script_leads_to_their_figure(
    browser: Browser, address: str
) -> None:
    page, _ = opened(browser, address, 1400)
    page.locator("#group-1 td a", has_text="0.4").first.click()
    shown = page.locator("#group-1 .cell-curves")
    assert shown.locator("[data-curve]:not(.dim)").count() == 2
    assert page.url == address
    shown.locator("button").click()
    assert shown.locator("svg").count() == 0
    page.close()
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    assert plain.locator("figure svg").first.is_visible()
    plain.locator("#group-1 td a").first.click()
    assert plain.url.partition("#")[2] in ("curves_sgd", "curves__b_adam__b__3d0fa1c8")
    plain.close()


def test_a_dark_page_has_light_letters_also_in_its_figures(browser: Browser, address: str) -> None:
    backgrounds = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(address)
        body = "getComputedStyle(document.body)"
        back, letters = page.evaluate(f"[{body}.backgroundColor, {body}.color]")
        patch = page.evaluate("getComputedStyle(document.querySelector('figure svg [id*=patch_1] path')).fill")
        assert patch == back
        backgrounds[scheme] = _grey(back) - _grey(letters)
        page.close()
    assert backgrounds["light"] > 150
    assert backgrounds["dark"] < -150


def test_the_curves_of_high_learning_rates_can_be_told_from_a_dark_page(browser: Browser, address: str) -> None:
    """A contrast of 3 to 1 at least: https://www.w3.org/TR/WCAG22/#non-text-contrast."""
    page = browser.new_page(color_scheme="dark")
    page.goto(address)
    paper = _rgb(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    lines = page.evaluate(
        "[...document.querySelectorAll('figure svg [data-curve] path')]"
        ".map(path => [getComputedStyle(path).stroke, getComputedStyle(path).filter])"
    )
    page.close()
    assert lines
    for stroke, filtered in lines:
        brightness = float(filtered.partition("brightness(")[2].rstrip(")") or 1)
        assert contrast([min(part * brightness, 1.0) for part in _rgb(stroke)], paper) >= 3, (stroke, filtered)


def _grey(colour: str) -> float:
    return sum(_rgb(colour)) * 255 / 3


def _rgb(colour: str) -> list[float]:
    return [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]


def test_what_the_best_network_has_learned_is_shown_with_its_words(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1400)
    widths = [bar.bounding_box() for bar in page.locator(".bar").all()]
    assert [round(box["width"] / widths[-1]["width"], 2) for box in widths if box] == [0.25, 0.5, 0.5, 1.0]  # type: ignore[index]
    pictures = page.locator("#group-1 img")
    assert pictures.count() == 2 + 24
    assert all(picture.evaluate("one => one.naturalWidth") == 96 for picture in pictures.all())
    assert page.locator("figcaption", has_text="Look for <u>edges</u>.").count() == 2
    assert page.locator("figcaption", has_text="<i>a very long name of a class</i> → b & c, 75%").count() == 24
    page.close()
