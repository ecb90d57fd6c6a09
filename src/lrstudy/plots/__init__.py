"""Figures of one training.

`figures` draws, `network_figures` reads the network, `fonts` finds fonts for its classes, and `png` renders PNG files.
"""

from lrstudy.compat import matplotlib_warnings  # noqa: F401 - before matplotlib
