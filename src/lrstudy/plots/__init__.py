"""Figures of one training.

`figures` draws its curves and tables. `network_figures` shows the layers and the mistakes of its network:
`layer_outputs` reads the layers, `layer_figures` draws them, and `layer_captions` describes them. `fonts` finds fonts
for the names of classes, and `png` renders PNG files.
"""

from lrstudy.compat import matplotlib_warnings  # noqa: F401 - before matplotlib
