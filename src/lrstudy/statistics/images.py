"""Difference of two cells, weighed against both the seeds and the validation images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lrstudy.statistics.outcomes import Cell, Outcomes

# What an answer generalizes to: new seeds with these images, new images with these seeds, or both new.
Population = Literal["seeds", "images", "both"]

# The excess kurtosis of a sample is too low where losses have heavy tails. With this factor the coverage on stored
# trainings is right (`benchmarks/interval_coverage.py`); it has no effect on normal ones.
KURTOSIS_CORRECTION = 1.4
# An image that holds all of a training's loss has an infinite jackknife influence.
MAX_SHARE = 1 - 1e-9
MAX_NEEDED = 10**7


class MeanSquares(NamedTuple):
    """The mean squares of the two-way analysis of variance with one value per seed and image, in squared log units."""

    seeds: float
    images: float
    residual: float


@dataclass(frozen=True)
class CrossedDifference:
    """The difference of the mean log losses of two cells, with its uncertainty.

    `mean` is the mean over seeds of log(mean loss of one cell) − log(mean loss of the other). `image_df` are the
    degrees of freedom of the mean square of the images; few where a few images carry the difference.

    The model: value = mean + seed + image + residual, all three random and crossed. The mean square of the seeds
    estimates `images` · seed component + residual component, that of the images `seeds` · image component + residual
    component (Searle, Casella & McCulloch, Variance Components, 1992, section 4.7).
    """

    mean: float
    seeds: int
    images: int
    mean_squares: MeanSquares
    image_df: float

    @property
    def seed_component(self) -> float:
        """The variance between seeds that more images do not reduce."""
        return max(self.mean_squares.seeds - self.mean_squares.residual, 0.0) / self.images

    @property
    def image_component(self) -> float:
        """The variance between images that more seeds do not reduce."""
        return max(self.mean_squares.images - self.mean_squares.residual, 0.0) / self.seeds

    @property
    def residual_component(self) -> float:
        """The variance that is of one seed with one image."""
        return self.mean_squares.residual

    @property
    def limited_by(self) -> Literal["seeds", "images"]:
        """The source whose own component contributes more to the variance for new seeds and new images."""
        of_images = self.image_component / self.images
        return "images" if of_images > self.seed_component / self.seeds else "seeds"

    def interval(self, population: Population = "both", confidence: float = 0.95) -> tuple[float, float]:
        """Return the lower and upper end of the confidence interval of the difference."""
        half_width = self.half_width(population, confidence)
        return self.mean - half_width, self.mean + half_width

    def half_width(self, population: Population = "both", confidence: float = 0.95) -> float:
        """Return half the width of the confidence interval of the difference, by Student's t distribution.

        By simulation (`benchmarks/interval_coverage.py`), 95% intervals cover 93–97% with 3 to 20 seeds and 75 to 1000
        images: of normal values with any ratio of the components, and of stored trainings of digits, where few
        misclassified images carry the mean loss, on average over the pairs of cells. With 75 such images single pairs
        come down to 90%: an interval cannot allow for a kind of image that is not among them. Log-normal losses of
        σ = 2 are covered in up to 98%.
        """
        return _half_width(*self._variance(population, self.seeds, self.images), confidence)

    def seeds_needed(self, margin: float, confidence: float = 0.95) -> float:
        """Return the number of seeds that brings the half width for `both` to the margin; infinite if none does."""
        return _fewest(lambda seeds: self._expected(seeds, self.images, confidence) <= margin, self.seeds)

    def images_needed(self, margin: float, confidence: float = 0.95) -> float:
        """Return the number of images that brings the half width for `both` to the margin; infinite if none does."""
        return _fewest(lambda images: self._expected(self.seeds, images, confidence) <= margin, self.images)

    def _expected(self, seeds: int, images: int, confidence: float) -> float:
        return _half_width(*self._variance("both", seeds, images), confidence)

    def _variance(self, population: Population, seeds: int, images: int) -> tuple[float, float]:
        """Return the variance of the difference and its degrees of freedom, with other numbers of seeds and images.

        For both, the variance is (MS seeds + max(MS images − MS residual, 0)) / (seeds · images): Dorfman, Berbaum &
        Metz 1992, https://doi.org/10.1097/00004424-199209000-00015, as changed by Hillis 2007,
        https://doi.org/10.1002/sim.2532. The degrees of freedom are those of Satterthwaite 1946,
        https://doi.org/10.2307/3002019, of the two mean squares; at least the fewer of theirs.
        """
        per_seed = self.seed_component + min(self.mean_squares.seeds, self.mean_squares.residual) / images
        of_seeds, seed_df = per_seed / seeds, seeds - 1.0
        of_images = (self.image_component + min(self.mean_squares.images, self.mean_squares.residual) / seeds) / images
        image_df = self.image_df * images / self.images
        if population == "seeds":
            return of_seeds, seed_df
        if population == "images":
            return of_images, image_df
        variance = of_seeds + self.image_component / images
        spread = of_seeds**2 / seed_df + of_images**2 / image_df
        return variance, max(variance**2 / spread if spread else 0.0, min(seed_df, image_df))


def crossed_difference(outcomes: Outcomes, cell: Cell, other: Cell) -> CrossedDifference | None:
    """Weigh the difference of two cells against the noise of seeds and of validation images.

    The values of the analysis of variance are jackknife pseudovalues: a training's log loss changes by an image's
    influence if the image is left out (Dorfman, Berbaum & Metz 1992,
    https://doi.org/10.1097/00004424-199209000-00015, for readers and patients instead of seeds and images). The
    jackknife does not underestimate the variance (Efron & Stein 1981, https://doi.org/10.1214/aos/1176345462); the
    derivative l / mean(l) does where one image holds much of the loss: its intervals covered 78% instead of 95% with
    75 images of digits, these 93–94%.

    Args:
        outcomes: of the trainings; failed ones and ones without losses per image are left out.
        cell: the first cell.
        other: the cell that it is compared with, by the seeds that both have.

    Returns:
        None if fewer than two seeds have losses of the same two or more images in both cells.
    """
    first, second = _losses(outcomes, cell), _losses(outcomes, other)
    seeds = [seed for seed in first if seed in second]
    shapes = {losses[seed].shape for losses in (first, second) for seed in seeds}
    if len(seeds) < 2 or len(shapes) != 1 or shapes.pop()[0] < 2:
        return None
    return _analyse(np.stack([first[seed] for seed in seeds]), np.stack([second[seed] for seed in seeds]))


def _losses(outcomes: Outcomes, cell: Cell) -> dict[int, np.ndarray]:
    """Return the losses per image of a cell's trainings that did not fail, by seed."""
    known = {row.seed: row.val_losses for row in outcomes.of(cell) if not row.failed}
    losses = {seed: losses.astype(np.float64) for seed, losses in known.items() if losses is not None}
    return {seed: each for seed, each in losses.items() if np.isfinite(each).all() and each.sum() > 0}


def _analyse(first: np.ndarray, second: np.ndarray) -> CrossedDifference:
    """Return the analysis of variance of two cells' losses, float64 `(seeds, images)`."""
    seeds, images = first.shape
    differences = np.log(first.mean(axis=1)) - np.log(second.mean(axis=1))  # (seeds,)
    influences = _influences(first) - _influences(second)  # (seeds, images)
    of_images = influences.mean(axis=0)  # (images,)
    residuals = influences - of_images
    mean_squares = MeanSquares(
        seeds=images * float(differences.var(ddof=1)),
        images=seeds * float((of_images**2).sum()) / (images - 1),
        residual=float((residuals**2).sum()) / ((seeds - 1) * (images - 1)),
    )
    return CrossedDifference(float(differences.mean()), seeds, images, mean_squares, _variance_df(of_images))


def _influences(losses: np.ndarray) -> np.ndarray:
    """Return (images − 1) · the change of each training's log mean loss if an image is left out, less its mean.

    With the sign that makes the influence of a large loss positive.
    """
    shares = losses / losses.sum(axis=1, keepdims=True)
    influences = -(losses.shape[1] - 1) * np.log1p(-np.minimum(shares, MAX_SHARE))
    centred: np.ndarray = influences - influences.mean(axis=1, keepdims=True)
    return centred


def _variance_df(values: np.ndarray) -> float:
    """Return the degrees of freedom of the variance of n centred values that need not be normal.

    They are 2 · (variance)² / (variance of the variance) = 2 / (2 / (n − 1) + excess kurtosis / n) (Satterthwaite 1946;
    Cramér, Mathematical Methods of Statistics, 1946, chapter 27).
    """
    n = len(values)
    squares = values**2
    total = float(squares.sum())
    excess = max(n * float((squares**2).sum()) / total**2 - 3, 0.0) if total else 0.0
    return 2 / (2 / (n - 1) + KURTOSIS_CORRECTION * excess / n)


def _half_width(variance: float, df: float, confidence: float) -> float:
    from scipy.special import stdtrit  # takes a moment

    return math.sqrt(variance) * float(stdtrit(df, (1 + confidence) / 2))


def _fewest(suffices: Callable[[int], bool], start: int) -> float:
    """Return the smallest number from `start` on that suffices, by bisection; infinite if `MAX_NEEDED` does not."""
    if suffices(start):
        return start
    if not suffices(MAX_NEEDED):
        return math.inf
    low, high = start, MAX_NEEDED
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high
