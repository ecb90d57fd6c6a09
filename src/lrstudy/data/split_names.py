"""The usual names of the folders of splits, such as `Train`, `test_images` or `02_val`."""

from __future__ import annotations

import re
import unicodedata

# The words for each split, as a regular expression.
SPLIT_WORDS = {
    "train": r"train(?:ing)?(?:[\W_]*val(?:id(?:ation)?)?)?|trn",
    "validation": r"val(?:id(?:ation)?)?|vld|dev(?:el(?:opment)?)?|eval(?:uation)?",
    "test": r"test(?:ing)?|tst|(?:hold|held)[\W_]*out",
}
# Words that may accompany them.
_FILLER = (
    r"(?:images?|imgs?|pic(?:ture)?s?|photos?|data|datasets?|sets?|splits?|part(?:ition)?s?|folders?|samples?|jpe?gs?"
    r"|pngs?|\d+|[\W_])*"
)
_USUAL = {split: re.compile(f"{_FILLER}(?:{words}){_FILLER}") for split, words in SPLIT_WORDS.items()}
_CONTAINING = {split: re.compile(rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])") for split, words in SPLIT_WORDS.items()}
EXAMPLES = "train, training, val, valid, validation, dev, test, testing or holdout"


def usual_split(name: str) -> str | None:
    """Return the split that a folder is usually meant for: `train` for `Training_Set`, None for `train_station`."""
    folded = _fold(name)
    return next((split for split, pattern in _USUAL.items() if pattern.fullmatch(folded)), None)


def mentioned_split(name: str) -> str | None:
    """Return the only split that a folder's name mentions, among any other words: `train` for `seg_train`."""
    folded = _fold(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    splits = [split for split, pattern in _CONTAINING.items() if pattern.search(folded)]
    return usual_split(name) or (splits[0] if len(splits) == 1 else None)


def is_filler(name: str) -> bool:
    """Return whether a folder's name is generic, such as `images` or `data`."""
    return re.fullmatch(_FILLER, _fold(name)) is not None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
