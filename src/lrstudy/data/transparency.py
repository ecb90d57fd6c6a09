"""Replace transparency by the colour of the padding."""

from __future__ import annotations

from PIL import Image

from lrstudy.compat.pillow_internals import raw_mode

# Around a letterboxed image, and behind transparency. On middle grey, black and white drawings both stay visible;
# normalised, it is close to zero.
PADDING = (128, 128, 128)
LEVELS_OF_RAW_MODES = {"L;2": 3, "L;4": 15}


def correct_transparent_colour(image: Image.Image) -> None:
    """Scale a PNG's transparent colour to 8 bits, as its decoder scales samples; the image is not loaded yet."""
    clear = image.info.get("transparency")
    if image.mode == "L" and isinstance(clear, int):
        levels = LEVELS_OF_RAW_MODES.get(raw_mode(image), 255)
        image.info["transparency"] = (clear & levels) * (255 // levels)
    elif image.mode == "RGB" and isinstance(clear, tuple):
        image.info["transparency"] = tuple(channel & 255 for channel in clear)


def lay_over_padding(image: Image.Image) -> Image.Image:
    """Return an image of mode RGBA as RGB, over the colour of the padding.

    An alpha of 0 everywhere is ignored: programs without support for alpha leave the channel empty.
    """
    if image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, (*PADDING, 255)), image).convert("RGB")
