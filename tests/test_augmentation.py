"""Augmentation, compared image by image with torchvision's functions."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from lrstudy.settings import TrainSettings
from lrstudy.training.augmentation import AUGMENTATIONS, Draws, draw, padding
from lrstudy.training.data_splits import DataSplit, Normalise, load_split

SIDE = 16


def stored(channels: int, n: int = 40, side: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(256, (n, side, side, channels), dtype=torch.uint8, generator=generator)


def by_torchvision(name: str, image: Tensor, draws: Draws, row: int) -> Tensor:
    """Return `image`, uint8 `(channels, side, side)`, changed by torchvision as the draws of its row say."""
    if name in ("crop", "standard"):
        width, (top, left) = padding(SIDE), draws.offsets[row].tolist()
        image = functional.crop(functional.pad(image, [width]), top, left, SIDE, SIDE)
    if name in ("flip", "standard") and draws.flips[row]:
        image = functional.horizontal_flip(image)
    if name == "standard":
        brightness, contrast, saturation = draws.factors[row].tolist()
        image = functional.adjust_brightness(image.float() / 255, brightness)
        image = functional.adjust_contrast(image, contrast)
        image = functional.adjust_saturation(image, saturation) * 255
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["flip", "crop", "standard"])
def test_an_augmentation_is_torchvisions_with_the_same_draws(name: str, channels: int) -> None:
    images, rows = stored(channels), torch.tensor([5, 39, 0, 17])
    draws = draw(AUGMENTATIONS[name], 7, 2, len(images), SIDE)
    changed = draws.apply(images[rows], rows).permute(0, 3, 1, 2)
    for image, row in zip(changed, rows.tolist(), strict=True):
        expected = by_torchvision(name, images[row].permute(2, 0, 1), draws, row)
        torch.testing.assert_close(image, expected, rtol=0, atol=1e-3, check_dtype=False)


@pytest.mark.parametrize("channels", [1, 3])
def test_trivial_is_torchvisions_own_and_leaves_the_global_generator_alone(channels: int) -> None:
    images, rows = stored(channels), torch.arange(12)
    draws = draw(AUGMENTATIONS["trivial"], 7, 2, len(images), SIDE)
    torch.manual_seed(5)
    expected_next = torch.rand(3)
    torch.manual_seed(5)
    changed = draws.apply(images[rows], rows)
    assert torch.equal(torch.rand(3), expected_next)
    for image, row in zip(changed, rows.tolist(), strict=True):
        torch.manual_seed(int(draws.seeds[row]))
        assert torch.equal(image.permute(2, 0, 1), v2.TrivialAugmentWide()(images[row].permute(2, 0, 1)))


def split(name: str | None, channels: int = 3) -> DataSplit:
    images = stored(channels).numpy()
    normalise = Normalise((100.0,) * channels, (50.0,) * channels)
    augmentation = AUGMENTATIONS[name] if name else None
    labels = np.arange(len(images))
    return load_split(images, labels, labels, normalise, channels_last=True, augmentation=augmentation)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_epochs_images_depend_on_the_seed_and_the_epoch_alone(name: str) -> None:
    rows = torch.arange(40)
    whole = split(name).at_epoch(1, 3).batch(rows)[0]
    again = split(name).at_epoch(1, 3)
    torch.rand(9)
    in_parts = torch.cat([again.batch(part)[0] for part in torch.split(rows.flip(0), 7)]).flip(0)
    assert torch.equal(in_parts, whole)
    for seed, epoch in ((1, 4), (2, 3)):
        assert not torch.equal(split(name).at_epoch(seed, epoch).batch(rows)[0], whole)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_evaluation_sees_the_images_as_they_are(name: str) -> None:
    rows = torch.arange(40)
    augmented = split(name)
    augmented.at_epoch(1, 1).batch(rows)
    torch.testing.assert_close(augmented.batch(rows)[0], split(None).batch(rows)[0])


def test_draws_cover_their_ranges() -> None:
    draws = draw(AUGMENTATIONS["standard"], 0, 1, 4000, SIDE)
    assert draws.flips.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert sorted(set(draws.offsets.flatten().tolist())) == [0, 1, 2, 3, 4]
    assert draws.factors.min().item() == pytest.approx(0.8, abs=0.001)
    assert draws.factors.max().item() == pytest.approx(1.2, abs=0.001)


def test_images_below_eight_pixels_are_not_cropped() -> None:
    images = stored(1, side=7)
    assert torch.equal(draw(AUGMENTATIONS["crop"], 0, 1, 40, 7).apply(images, torch.arange(40)), images)


def test_each_value_of_the_setting_is_an_augmentation() -> None:
    values = get_args(TrainSettings.model_fields["augment"].annotation)
    assert set(values) == {"none", *AUGMENTATIONS}
