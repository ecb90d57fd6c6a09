"""What ends a program of the analysis in one sentence."""


class ReportError(Exception):
    """Something that the user can set right, in one sentence."""
