"""PyTorch alone, for the fork server of a single training: its workers import the rest side by side."""

from lrstudy.compat.interpreter import gc_paused

with gc_paused():
    import torch

__all__ = ["torch"]
