"""Image data sets: load a name or a folder as uint8 images of one size, with labels and splits.

`sources` is the table of named sets. `location` finds the folder that a user names, `layout` its class folders and
splits, and `folder` their files. `image_preprocessing` makes an image of any kind a square of 8-bit pixels, with
`wide_samples` (and `tiff_planes`), `value_ranges`, `transparency` and `colour_profiles` (and `png_gamma`), `decoding`
does so for all of them in a crash-safe process pool, and `cache` stores the result on disk. `splitting` splits it, with
`grouping` keeping files together, and `duplicates` finds equal images. This package imports neither torch, torchvision,
scikit-learn nor Pillow while it is itself imported.
"""

from lrstudy.data.loading import files_state, load
from lrstudy.data.location import check_name, locate
from lrstudy.data.pixels import gather
from lrstudy.data.records import BadImage, ImageData
from lrstudy.data.sources import SOURCES

__all__ = ["SOURCES", "BadImage", "ImageData", "check_name", "files_state", "gather", "load", "locate"]
