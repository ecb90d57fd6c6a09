"""Messages about the calls that are unsent when a process ends."""

from __future__ import annotations

from collections.abc import Mapping

from lrstudy.formatting import pluralize
from lrstudy.tracking.held_calls import HeldCalls
from lrstudy.tracking.journal import journals_folder, sync_command
from lrstudy.tracking.sender import Sender


def describe_unsent(sender: Sender) -> str:
    """Return a sentence on the calls that wait for an unavailable server."""
    pending, lost = sender.pending, ""
    if pending.unstored:
        calls = f"{pending.unstored} of {pluralize(len(pending), 'log call')}"
        lost = f", except {calls}, which cannot be written ({pending.storage_failure}) and are lost"
    queued = f"the last log calls are queued in {journals_folder()}{lost}"
    advice = f"when the server is back, `{sync_command()}` sends them."
    return f"{sender.availability.describe_unsent()}: {queued}; {advice}"


def describe_held(held: Mapping[str, HeldCalls]) -> list[str]:
    """Return a sentence on files that could not be stored, and one on files that the server rejected, if any."""
    waiting = [calls for calls in held.values() if not calls.error.rejected]
    rejected = [calls for calls in held.values() if calls.error.rejected]
    sentences = []
    if waiting:
        command = sync_command()
        sentences.append(
            f"{_first_of(waiting)}: they are kept in {_folders(waiting)}, and the run is not FINISHED without them; "
            f"when the store can be written, `{command}` sends them; `{command} --list` lists them, and "
            f"`{command} --discard ID` discards them."
        )
    if rejected:
        sentences.append(
            f"{_first_of(rejected)}; the server rejects them, and they are kept in {_folders(rejected)}; "
            "the run is FAILED, and the same command trains it again."
        )
    return sentences


def _first_of(held: list[HeldCalls]) -> str:
    error = held[0].error
    others = f" and those of {pluralize(len(held) - 1, 'other run')}" if len(held) > 1 else ""
    return f"the artifacts of run {error.run}{others} cannot be stored in {error.store} ({error.reason})"


def _folders(held: list[HeldCalls]) -> str:
    return str(held[0].calls.folder if len(held) == 1 else journals_folder())
