"""Errors that a user can act on.

LearningRateStudyError       one sentence for the user, exit code 2
├── SettingsError            a setting is unknown, invalid, or contradicts another
│   ├── UserCodeError        the user's own network or optimizer fails
│   └── OtherRunError        the environment names a run that this command must not log to
├── DataError                the images are missing, broken, or too few
│   └── CacheError           the cache of scaled images cannot be written
├── TrackingError            the tracking server cannot be reached or written to
├── NotSyncedError           log calls wait on disk; exit code 3
├── ClusterError             the cluster cannot be used any more
├── TableError               a table of trainings cannot be read, or has invalid values
├── ReportError              the report cannot be made
└── OutputError              the file of a prediction cannot be written
"""


class LearningRateStudyError(Exception):
    """A mistake in the user's command or data; its text is one sentence that says how to correct it."""


class SettingsError(LearningRateStudyError):
    """A setting is unknown, invalid, or contradicts another."""


class UserCodeError(SettingsError):
    """The user's own network or optimizer fails; the text ends with the lines of the user's code."""


class OtherRunError(SettingsError):
    """The environment names a run that this command must not log to, and which it leaves as it is."""


class DataError(LearningRateStudyError):
    """The images are missing, broken, or too few."""


class CacheError(DataError):
    """The cache of scaled images cannot be written."""


class TrackingError(LearningRateStudyError):
    """The tracking server cannot be reached or written to."""


class NotSyncedError(LearningRateStudyError):
    """The command succeeded, but its log calls wait on disk because the tracking server does not answer."""


class ClusterError(LearningRateStudyError):
    """The scheduler of a cluster does not answer, or none of its workers can train."""


class TableError(LearningRateStudyError):
    """A table of trainings cannot be read, or has invalid values."""


class ReportError(LearningRateStudyError):
    """The report or a figure cannot be made from the tracking server, or cannot be written."""


class OutputError(LearningRateStudyError):
    """The file of a prediction cannot be written."""
