"""Names of classes in any script are legible in figures, or escaped so that no two look the same."""

import csv
import io
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from matplotlib import font_manager

from lrstudy.plots import png
from lrstudy.plots.figures import distinct_labels
from lrstudy.plots.fonts import OWN_FONT, find_fonts
from lrstudy.training import history
from lrstudy.training.epoch import Epoch
from lrstudy.training.result import CONFUSION, HISTORY

# Old Hungarian letters, which few machines have a font for.
RARE = "\U00010c80\U00010c81"


def make_font(path: Path, characters: str) -> None:
    """Write a font whose characters are bars of different heights."""
    names = [".notdef", *(f"bar{number}" for number in range(len(characters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(character): names[number + 1] for number, character in enumerate(characters)})
    glyphs = {}
    for number, name in enumerate(names):
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        for point in ((0, 300 * number + 50), (500, 300 * number + 50), (500, 0)):
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Bars", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


@pytest.fixture
def bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A font that is installed after matplotlib made its list of fonts."""
    make_font(tmp_path / "bars.ttf", RARE)
    found = [str(tmp_path / "bars.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: found)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    find_fonts.cache_clear()


@pytest.fixture
def no_more_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [font for font in font_manager.fontManager.ttflist if font.name.startswith(("DejaVu", "Last Resort"))]
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    find_fonts.cache_clear()


def confusion(names: list[str]) -> bytes:
    """Return the picture of a confusion matrix with these classes; a missing glyph would be an error."""
    rows = io.StringIO(newline="")
    csv.writer(rows).writerows([["true class", *names], *([name, *([1] * len(names))] for name in names)])
    epochs = [Epoch(number, 1.0, 1.0, 0.5, 0.5, 0.1, 0.1) for number in range(2)]
    files = {CONFUSION: rows.getvalue().encode(), HISTORY: history.to_csv(epochs)}
    return png.training_figures(f"set: {names[0]}", files, 1)["figures/confusion_matrix.png"]


@pytest.mark.parametrize("name", ["cat", "café", "cafe\u0301", "Ελλάδα", "кот", "שלום", "سلام", "a$b$", "☺", "−"])
def test_alphabets_that_matplotlibs_own_font_has_need_no_other(name: str) -> None:
    fonts = find_fonts(name)
    assert fonts.families == (OWN_FONT,)
    assert fonts.legible(name) == name


@pytest.mark.usefixtures("bars")
def test_a_font_that_has_the_characters_draws_them() -> None:
    fonts = find_fonts(f"cat {RARE}")
    assert fonts.families == (OWN_FONT, "Bars")
    assert fonts.legible(RARE) == RARE
    assert not list(fonts.describe())
    assert confusion([RARE[0], "cat"]) != confusion([RARE[1], "cat"])


@pytest.mark.usefixtures("no_more_fonts")
def test_without_such_a_font_names_are_escaped_and_differ(capfd: pytest.CaptureFixture[str]) -> None:
    fonts = find_fonts("猫犬鳥 cat 😺\u200d🐕")
    assert fonts.legible("猫 cat") == r"\u732b cat"
    assert fonts.legible("🦊\ufe0f") == "🦊", "only characters of the text that was asked for are known to be missing"
    assert fonts.legible("🐕\u200d") == r"\U0001f415"
    assert confusion(["猫", "犬"]) != confusion(["犬", "鳥"])
    warnings = capfd.readouterr().err.splitlines()
    assert warnings[0] == (
        r"warning: no installed font has 犬 and 猫, which figures show as \u72ac and the like; "
        "a font such as Noto Sans CJK would draw them"
    )
    assert len(warnings) == 2


def test_long_names_with_the_same_beginning_stay_distinct() -> None:
    names = ["a very long name of a kind of bird, male", "a very long name of a kind of bird, female", "owl"]
    assert distinct_labels(names) == ["0 a very long name of a…", "1 a very long name of a…", "owl"]
