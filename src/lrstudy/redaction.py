"""Remove credentials from text that is shown to users: addresses of servers and databases can hold passwords."""

import re


def redact_credentials(text: str) -> str:
    """Return `text` without the user names and passwords in its addresses."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without credentials; the error's class name if it has no message."""
    return redact_credentials(next(iter(str(error).strip().splitlines()), type(error).__name__))
