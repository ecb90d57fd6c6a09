"""What can be wrong with what a user asked for.

LearningRateStudyError       one sentence for the user, exit code 2
├── SettingsError            a setting is unknown, impossible, or contradicts another
├── DataError                the images are missing, broken, or too few
├── TrackingError            the tracking server cannot be reached or written to
├── NotSyncedError           log calls wait on disk; exit code 3
└── ReportError              the report cannot be made
"""


class LearningRateStudyError(Exception):
    """The user's mistake or the user's data's: its text is one sentence that says what would be right."""


class SettingsError(LearningRateStudyError):
    """A setting is unknown, impossible, or contradicts another."""


class DataError(LearningRateStudyError):
    """The images are missing, broken, or too few."""


class TrackingError(LearningRateStudyError):
    """The tracking server cannot be reached or written to."""


class NotSyncedError(LearningRateStudyError):
    """All went well, but the tracking server cannot be told of it now: what was to be logged waits on disk."""


class ReportError(LearningRateStudyError):
    """The report or a figure cannot be made from the tracking server, or cannot be written."""
