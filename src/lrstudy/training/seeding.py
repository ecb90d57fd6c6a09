"""Seeds of the random draws that a training does not make with a generator of its own."""

import random

import numpy as np
import torch


def seed_random_draws(seed: int) -> None:
    """Seed the generators of PyTorch, NumPy and Python, for dropout and for the draws of a user's own code."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
