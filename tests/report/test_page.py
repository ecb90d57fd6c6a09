"""The page in a real browser, at a phone's width and at a desk's."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

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
                    log_training(experiment, curves, parent=study, epochs=50, **cell)
    report(["--out", str(place / "report")])
    yield place / "report"
    mlflow.set_tracking_uri(before)


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
    for width in (400, 1400):
        page, asked = opened(browser, address, width)
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        images = page.locator("img")
        assert images.count() == 7  # two optimizers' curves and a sweep for each shape, and the shapes
        for image in images.all():
            assert len(image.get_attribute("alt") or "") > 40
            assert image.evaluate("one => one.complete && one.naturalWidth > 0")
            box = image.bounding_box()
            assert box is not None
            # At 4.8 inches, 460 pixels, letters of 10 points are 13 pixels high; at 340 they are 10.
            assert 340 <= box["width"] <= 600
        assert page.locator("figure details table").count() == 7
        assert page.title().startswith("Learning-rate report: grid <script>")
        assert page.locator("th", has_text="<b>adam</b>").count() > 0
        page.close()


def test_the_recommendation_comes_first_then_the_warnings_then_the_evidence(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1400)
    assert page.locator(".answer strong").first.inner_text() == "Use <b>adam</b> with a learning rate of 0.1"
    headings = page.locator("#group-1").locator("h2, h3").all_inner_texts()
    assert headings == [
        "Group 1: Recommendation",
        "Warnings",
        "Evidence",
        "Heat map",
        "Loss curves",
        "Learning-rate sweep",
        "Tables",
    ]
    assert page.locator("h2").all_inner_texts()[-3:] == ["Network shapes", "Not included", "Provenance"]
    page.close()


def test_all_links_lead_to_existing_files_and_groups(browser: Browser, address: str, folder: Path) -> None:
    page, _ = opened(browser, address, 1400)
    links = page.eval_on_selector_all("a", "all => all.map(one => one.getAttribute('href'))")
    within = [link for link in links if link.startswith("#")]
    assert [page.locator(f"{link} .answer strong").inner_text() for link in within] == [
        entry.partition(": ")[2].rstrip(".") for entry in page.locator("nav li").all_inner_texts()
    ]
    assert len(within) == 2
    files = [link for link in links if link not in within]
    assert len(files) > 10
    assert [link for link in files if not (folder / link).is_file()] == []
    page.close()


def test_in_print_the_answer_is_on_the_first_sheet(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1400)
    page.emulate_media(media="print")
    assert page.locator(".answer").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
