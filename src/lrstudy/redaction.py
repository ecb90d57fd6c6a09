"""Remove credentials from text that is shown to users: addresses of servers and databases can hold passwords."""

import re

# From `://` to the last `@` before a blank: a user name or password may itself contain `@` and `/`. If it contains
# blanks, the colon before it shows that an address has not ended there. An `@` after a plain host is part of a path.
_CREDENTIALS = re.compile(
    r"(?<=://)(?!/|(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[\da-fA-F:.]+\])[/?#])"
    r"(?:\S*@|[^\s@/:]*:(?!\d+(?:\W|$))[^\n@]*@)"
)
_SECRET = re.compile(
    r"(?<![\w.-])([\w.-]*(?:password|passwd|pwd|token|secret|api[_-]?key|access[_-]?key(?:[_-]?id)?|credential"
    r"|signature|sig)=)[^&#\s]+",
    re.IGNORECASE,
)


def redact_credentials(text: str) -> str:
    """Return `text` without the user names and passwords in its addresses, and without secrets such as `token=…`."""
    return _SECRET.sub(r"\1***", _CREDENTIALS.sub("", text))


def describe_ambiguity(address: str) -> str | None:
    """Return a sentence if a library would misread part of an address's password, else None.

    Errors of that library would show the part. SQLAlchemy ends a password at its first `@`, a web client at the first
    `/`, `?` or `#`.
    """
    match = _CREDENTIALS.search(address)
    ends = "[/?#]" if address.startswith(("http:", "https:")) else "@.*@"
    if match is None or not re.search(ends, match[0]):
        return None
    return (
        f"the user name or password in the address {redact_credentials(address)} has an unescaped '@', '/', '?' or "
        "'#'; write it as %40, %2F, %3F or %23."
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without credentials; the error's class name if it has no message."""
    return redact_credentials(next(iter(str(error).strip().splitlines()), type(error).__name__))
