"""The availability of a tracking server, and the pauses and timeouts of calls to it."""

from __future__ import annotations

import random
import sys
import time

from lrstudy.compat import mlflow_internals
from lrstudy.redaction import redact_credentials
from lrstudy.tracking.failures import failure_reason
from lrstudy.tracking.journal import journals_folder

# A call that fails at once is tried a second time before the server counts as unavailable: a connection was lost.
SECONDS_TO_FAIL_AT_ONCE = 1.0
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.25, 5.0
# A file that was not sent in time is given twice the time at the next try, up to this.
MAX_TIMEOUT_SECONDS = 320


class ServerAvailability:
    """The state of a tracking server as the last calls found it. Only one thread at a time may use it.

    `failure` is the reason why it is unavailable, until it has all calls again.
    """

    def __init__(self, server: str) -> None:
        self.server = redact_credentials(server)
        self.failure: str | None = None
        self._silent_since: float | None = None
        self._timeout = mlflow_internals.request_timeout()

    def mark_unavailable(self, error: Exception) -> None:
        """Record a failed call, and report the first one."""
        self._silent_since = self._silent_since or time.monotonic()
        if self.failure is None:
            self.failure = failure_reason(error)
            report(
                f"the tracking server {self.server} cannot be used now ({self.failure}): training continues; log calls "
                f"are queued in {journals_folder()}"
            )

    def mark_answered(self) -> None:
        """Record a call that was answered."""
        self._silent_since = None
        mlflow_internals.set_request_timeout(self._timeout)

    def mark_available(self) -> None:
        """Record and report that the server has all calls again."""
        self.failure = None
        report(f"the tracking server {self.server} can be used again; all queued log calls are sent")

    def silent_for(self, seconds: float, since: float) -> bool:
        """Return True if the server has answered nothing for `seconds`, counted from `since` at the earliest."""
        return self._silent_since is not None and time.monotonic() - max(since, self._silent_since) >= seconds

    def describe_unsent(self) -> str:
        """Return the beginning of a sentence on calls that stay unsent."""
        return f"the tracking server {self.server} cannot be used ({self.failure})"


def failed_at_once(began: float) -> bool:
    """Return True if a call that began at that time has failed too soon to have waited for a dead server."""
    return time.monotonic() - began <= SECONDS_TO_FAIL_AT_ONCE


def pause_seconds(failures: int) -> float:
    """Return how long to pause after that many failed tries in a row: doubled each time up to a maximum, jittered."""
    doublings = min(failures - 2, 10)  # without a limit, the power overflows a float after an hour of failures
    longest = min(FIRST_PAUSE_SECONDS * 2**doublings, MAX_PAUSE_SECONDS)
    # Jittered, since many machines that overload a server would otherwise return to it at once.
    return random.uniform(longest / 2, longest)  # noqa: S311


def extend_timeout(took: float) -> None:
    """Double MLflow's timeout if a try that took this many seconds ran into it."""
    timeout = mlflow_internals.request_timeout()
    if took >= timeout:
        mlflow_internals.set_request_timeout(min(2 * timeout, MAX_TIMEOUT_SECONDS))


def report(sentence: str) -> None:
    """Print a sentence at once."""
    print(sentence, file=sys.stderr, flush=True)
