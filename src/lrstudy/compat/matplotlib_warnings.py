"""Silence matplotlib's warnings while it is imported: where no cache can be written, each process would print two."""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)
