"""Fonts for the names of classes: installed fonts that have the characters, and escapes for the others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cache

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from lrstudy.formatting import join_and

# Matplotlib's own font, which draws most alphabets.
OWN_FONT = "DejaVu Sans"
# A font whose glyph is the same box for all characters.
LAST_RESORT = "Last Resort"
REGULAR_WEIGHT = 400
MAX_NAMED_CHARACTERS = 5
# A family of fonts that draws most languages.
EXAMPLE_FONT = "Noto Sans CJK"


@dataclass(frozen=True)
class Fonts:
    """The families of fonts that draw a text, and those of its characters that no installed font has."""

    families: tuple[str, ...]
    missing: frozenset[str]

    def use(self) -> AbstractContextManager[None]:
        """Let matplotlib draw with these fonts while the context lasts."""
        return mpl.rc_context({"font.family": list(self.families)})

    def legible(self, text: str) -> str:
        """Return `text` with the characters that these fonts lack escaped as their code points."""
        drawn = (character for character in text if not _is_invisible(character))
        return "".join(_escape(character) if character in self.missing else character for character in drawn)

    def describe(self) -> Iterator[str]:
        """Yield a sentence on the characters that no font has, if there are any."""
        if self.missing:
            characters = sorted(self.missing)
            shown = join_and(characters[:MAX_NAMED_CHARACTERS], len(characters))
            yield (
                f"no installed font has {shown}, which figures show as {_escape(characters[0])} and the like; "
                f"a font such as {EXAMPLE_FONT} would draw them"
            )


@cache
def find_fonts(text: str) -> Fonts:
    """Return the fonts for a text: matplotlib's own and, only if that lacks characters, installed ones."""
    missing = {character for character in text if not _is_invisible(character)}
    families = [OWN_FONT]
    missing -= _drawable(font_manager.findfont(OWN_FONT), 0, missing)
    for name, path, index in _installed_fonts() if missing else ():
        if drawn := _drawable(path, index, missing):
            families.append(name)
            missing -= drawn
        if not missing:
            break
    return Fonts(tuple(families), frozenset(missing))


def _installed_fonts() -> Iterator[tuple[str, str, int]]:
    """Yield the family, the file and the index of each font, upright and of a regular weight first."""
    manager = font_manager.fontManager
    for path in set(font_manager.findSystemFonts()) - {font.fname for font in manager.ttflist}:
        with suppress(Exception):  # matplotlib cannot read every font; its cached list lacks recently installed ones
            manager.addfont(path)
    fonts = sorted(manager.ttflist, key=lambda font: (font.style != "normal", _distance(font.weight), font.name))
    yield from ((font.name, font.fname, font.index) for font in fonts if not font.name.startswith(LAST_RESORT))


def _distance(weight: int | str) -> int:
    return abs(weight - REGULAR_WEIGHT) if isinstance(weight, int) else 0


def _drawable(path: str, index: int, characters: set[str]) -> set[str]:
    """Return the characters that a font has outlines for; none if it cannot be read."""
    try:
        font = FT2Font(path, face_index=index)
        return {character for character in characters if font.scalable and font.get_char_index(ord(character))}
    except Exception:  # a damaged file fails in many ways
        return set()


def _is_invisible(character: str) -> bool:
    """Return whether a character only changes how others are drawn, such as a joiner or a variation selector."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
