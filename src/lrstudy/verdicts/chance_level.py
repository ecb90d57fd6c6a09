"""The scores of guessing on the validation split, which a network that has learned exceeds."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

# An accuracy is better than chance if it exceeds the largest class's share by this many binomial standard errors.
STANDARD_ERRORS = 3
# A large class leaves little or no room for that: a loss of at most this share of chance shows learning too, …
LOSS_SHARE = 0.5
# … and one of at most this share, if chance seldom gives it: by Markov's inequality, predictions that ignore the labels
# are 10,000 times as likely as chance in at most one of 10,000 cases.
LARGER_LOSS_SHARE, LUCK = 0.75, math.log(10_000)


@dataclass(frozen=True)
class ChanceLevel:
    """The scores, on `images` validation images, of a guess that ignores the image.

    `accuracy` is the share of the largest class; `loss` the cross-entropy, in nats, of predicting the class shares.
    """

    accuracy: float
    loss: float
    images: int

    @classmethod
    def from_counts(cls, counts: Collection[int]) -> ChanceLevel:
        """Return the scores of guessing on a split with these numbers of images per class, not all 0."""
        images = sum(counts)
        shares = [count / images for count in counts if count]
        return cls(max(shares), -sum(share * math.log(share) for share in shares), images)

    @property
    def limit(self) -> float:
        """The accuracy above which a network has learned."""
        return self.accuracy + STANDARD_ERRORS * math.sqrt(self.accuracy * (1 - self.accuracy) / self.images)

    def is_beaten_by(self, accuracy: float, loss: float) -> bool:
        """Return True if a network with these scores has learned; scores that are NaN have not."""
        evidence = self.images * (self.loss - loss)
        by_loss = loss <= LOSS_SHARE * self.loss or (loss <= LARGER_LOSS_SHARE * self.loss and evidence >= LUCK)
        return accuracy > self.limit or by_loss
