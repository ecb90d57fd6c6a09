"""Keep Dask's log out of a study's output; its loggers and warnings are global state. Seen in distributed 2026.8.0.

Its client logs tracebacks when a scheduler ends or a worker is lost, which a study reports in a sentence.
"""

import logging
import warnings

ABOVE_ALL = logging.CRITICAL + 1


def silence_dask() -> None:
    """Discard the log messages and warnings of `distributed` in this process."""
    import distributed  # noqa: F401 - it sets the levels of its loggers when it is imported
    from distributed.versions import VersionMismatchWarning

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(ABOVE_ALL)
    warnings.simplefilter("ignore", VersionMismatchWarning)
