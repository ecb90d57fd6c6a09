"""Verdicts of several seeds: the one that stands for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

# The verdicts from worst to best: of verdicts that are equally common, the worst counts.
WORST_FIRST = ("diverged", "collapsed", "unstable", "too slow", "overfits", "good")

# Verdicts of trainings with worse faults than slowness.
FAULTS = ("diverged", "collapsed", "unstable")


def most_common_verdict(verdicts: Iterable[str]) -> str:
    """Return the most common verdict, of equally common ones the worst; empty if there are only empty ones."""
    counts = Counter(verdict for verdict in verdicts if verdict)
    badness = {verdict: -place for place, verdict in enumerate(WORST_FIRST)}
    return max(counts, key=lambda verdict: (counts[verdict], badness.get(verdict, -9)), default="")
