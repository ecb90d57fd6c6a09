"""Limits of Pillow's that the project changes for the whole process."""

from PIL import PngImagePlugin


def allow_long_png_texts() -> None:
    """Let one text of a PNG take the 64 MB that Pillow allows all of its texts together.

    Reason: a long description or colour profile does not make a PNG broken. Seen to work with Pillow 12. Without it,
    a PNG with more than 1 MB of text is reported as a broken image.
    """
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
