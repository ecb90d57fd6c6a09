"""Augmentation of the training split: random changes of its images, drawn anew for every epoch.

All draws of an epoch are made before it begins, one of each kind per image, from `seed` and the number of the epoch
alone: they depend neither on the batch size, the device or the network, nor on what else draws random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

FLIP_PROBABILITY = 0.5
# `RandomCrop(side, padding=side // 8)`: 4 pixels for images of 32×32, as for CIFAR-10 in He et al. 2016,
# https://arxiv.org/abs/1512.03385, section 4.2.
PADDING_DIVISOR = 8
# `ColorJitter(0.2, 0.2, 0.2)`: factors from 0.8 to 1.2, here always in the order brightness, contrast, saturation.
JITTER = 0.2
# The weights of red, green and blue in a grey image, as in torchvision's `rgb_to_grayscale`.
GREY_WEIGHTS = (0.2989, 0.587, 0.114)
AUGMENTATION_STREAM = 1  # beside that of the order of the images


@dataclass(frozen=True)
class Augmentation:
    """The random changes of an augmentation, each on or off."""

    flip: bool = False
    crop: bool = False
    jitter: bool = False
    trivial: bool = False


AUGMENTATIONS = {
    "flip": Augmentation(flip=True),
    "crop": Augmentation(crop=True),
    "standard": Augmentation(flip=True, crop=True, jitter=True),
    "trivial": Augmentation(trivial=True),
}


@dataclass(frozen=True, eq=False)
class Draws:
    """The draws of an epoch, one row per image of the training split.

    `flips` are booleans `(n,)`, `offsets` int64 `(n, 2)` from 0 to twice the padding, `factors` float32 `(n, 3)`, and
    `seeds` int64 `(n,)` for changes that draw their own numbers, always on the CPU.
    """

    augmentation: Augmentation
    flips: Tensor
    offsets: Tensor
    factors: Tensor
    seeds: Tensor

    def to(self, device: torch.device) -> Draws:
        """Return the draws on the device of the images."""
        flips, offsets, factors = (draws.to(device) for draws in (self.flips, self.offsets, self.factors))
        return replace(self, flips=flips, offsets=offsets, factors=factors)

    def apply(self, images: Tensor, rows: Tensor) -> Tensor:
        """Return changed copies of stored images.

        Args:
            images: uint8 `(len(rows), side, side, channels)`, on the device of the draws.
            rows: their int64 positions within the training split, on the same device.

        Returns:
            The same shape, in uint8 or, after a change of colours, in float32 from 0 to 255.
        """
        if self.augmentation.trivial:
            return _trivial(images, self.seeds[rows.cpu()])
        if self.augmentation.crop:
            images = _crop(images, self.offsets[rows])
        if self.augmentation.flip:
            images = torch.where(self.flips[rows, None, None, None], images.flip(2), images)
        return _jitter(images.float(), self.factors[rows]) if self.augmentation.jitter else images


def draw(augmentation: Augmentation, seed: int, epoch: int, images: int, side: int) -> Draws:
    """Return the draws of an epoch for all `images` of the training split, squares of `side` pixels."""
    state = np.random.SeedSequence([seed, epoch, AUGMENTATION_STREAM]).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]))
    return Draws(
        augmentation,
        flips=torch.rand(images, generator=generator) < FLIP_PROBABILITY,
        offsets=torch.randint(2 * padding(side) + 1, (images, 2), generator=generator),
        factors=1 - JITTER + 2 * JITTER * torch.rand(images, 3, generator=generator),
        seeds=torch.randint(2**62, (images,), generator=generator),
    )


def padding(side: int) -> int:
    """Return the pixels that a padded random crop adds on each side."""
    return side // PADDING_DIVISOR


def _crop(images: Tensor, offsets: Tensor) -> Tensor:
    """Return, of each image padded with black, the part of its old size that begins at its offset."""
    n, side = images.shape[:2]
    width = padding(side)
    padded = torch.nn.functional.pad(images, (0, 0, width, width, width, width))
    windows = padded.unfold(1, side, 1).unfold(2, side, 1)  # a view (n, 2 width + 1, 2 width + 1, channels, side, side)
    cropped = windows[torch.arange(n, device=images.device), offsets[:, 0], offsets[:, 1]]
    return cropped.permute(0, 2, 3, 1)


def _jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of float32 images by their factors `(n, 3)`, as torchvision does."""
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    images = (images * brightness).clamp_(0, 255)
    images = _blend(images, _grey(images).mean((1, 2, 3), keepdim=True), contrast)
    return _blend(images, _grey(images), saturation) if images.shape[3] == 3 else images


def _grey(images: Tensor) -> Tensor:
    if images.shape[3] != 3:
        return images
    return (images @ images.new_tensor(GREY_WEIGHTS))[..., None]


def _blend(images: Tensor, others: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(others, images, share).clamp_(0, 255)


def _trivial(images: Tensor, seeds: Tensor) -> Tensor:
    """Return images changed by torchvision's `TrivialAugmentWide`, each with the draws of its own seed."""
    from torchvision.transforms import v2

    transform = v2.TrivialAugmentWide()
    state = torch.get_rng_state()
    changed = []
    for image, seed in zip(images.permute(0, 3, 1, 2), seeds.tolist(), strict=True):
        torch.default_generator.manual_seed(seed)  # the transform draws from it; it is the CPU's alone
        changed.append(transform(image))
    torch.set_rng_state(state)
    return torch.stack(changed).permute(0, 2, 3, 1)
