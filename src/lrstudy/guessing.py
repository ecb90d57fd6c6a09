"""Tell learning from guessing, by the scores on the validation split."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

# An accuracy is better than guessing if it exceeds the largest class's share by this many binomial standard errors.
STANDARD_ERRORS = 3
# Where the share leaves no room for that, as 99% does, a loss of at most this share of guessing's shows learning too.
LOSS_SHARE = 0.5


@dataclass(frozen=True)
class Guessing:
    """The scores, on `images` validation images, of a guess that ignores the image.

    `accuracy` is the share of the largest class; `loss` the cross-entropy, in nats, of predicting the class shares.
    """

    accuracy: float
    loss: float
    images: int

    @classmethod
    def of_counts(cls, counts: Collection[int]) -> Guessing:
        """Return the scores of guessing on a split with these numbers of images per class, not all 0."""
        images = sum(counts)
        shares = [count / images for count in counts if count]
        return cls(max(shares), -sum(share * math.log(share) for share in shares), images)

    @property
    def limit(self) -> float:
        """The accuracy above which a network has learned."""
        return self.accuracy + STANDARD_ERRORS * math.sqrt(self.accuracy * (1 - self.accuracy) / self.images)

    def is_beaten_by(self, accuracy: float, loss: float) -> bool:
        """Return True if a network with these scores has learned; False for scores that are NaN."""
        return accuracy > self.limit or loss <= LOSS_SHARE * self.loss
