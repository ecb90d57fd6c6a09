"""Image data sets: from a name or a folder to uint8 images of one size, labels, and a split.

`sources` holds the named sets, `folder` finds the files of a folder of class folders; `letterbox` makes one image of
any kind a square of 8-bit pixels, `decoding` does so for all of them, in processes from `crew` that may die of it;
`cache` keeps the result on disk; `splitting` parts it. Importing this package imports none of torch, torchvision,
scikit-learn or Pillow.
"""

from lrstudy.data.loading import check_name, load
from lrstudy.data.pixels import gather
from lrstudy.data.records import BadImage, ImageData
from lrstudy.data.sources import SOURCES

__all__ = ["SOURCES", "BadImage", "ImageData", "check_name", "gather", "load"]
