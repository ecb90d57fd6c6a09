"""Passes of a network that are recorded once for each shape of a batch, and then replayed with the same bits.

The CPU takes longer to start the operations of a small network one by one than a GPU to compute them. Recorded as a
CUDA graph, they start at once. Before a recording is used, its bits are compared with those of the same pass operation
by operation. What cannot be recorded, or has other bits, is never replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lrstudy.formatting import join_and
from lrstudy.redaction import first_line
from lrstudy.training.diagnosis.network_copy import RandomState, random_state_kept
from lrstudy.training.passes import EagerPasses

# A shape is recorded when it comes again after this many passes: libraries set themselves up in the first ones.
EAGER_CALLS = 2

# The tensors that a pass computes, in an order that never changes; a weight that is not used has no gradient.
Results = list[Tensor | None]
# Calls a function and returns its results, with a function that computes them again in the same memory.
Record = Callable[[Callable[[], Results]], tuple[Results, Callable[[], None]]]


class NotRecordableError(Exception):
    """A pass cannot be replayed, for the reason that the text gives."""


@dataclass(frozen=True)
class _Recording:
    inputs: Sequence[Tensor]
    results: Results
    replay: Callable[[], None]

    def run(self, inputs: Sequence[Tensor]) -> Results:
        """Return the results for other inputs, which are valid until the next run."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.replay()
        return self.results


class RecordedPasses:
    """Passes that are recorded by `record` and replayed; they run operation by operation where that is not possible.

    Args:
        network: its weights and buffers stay where they are in memory.
        eager: its passes operation by operation.
        record: records a pass.
    """

    def __init__(self, network: nn.Module, eager: EagerPasses, record: Record) -> None:
        self._network = network
        self._eager = eager
        self._record = record
        self._weights = list(network.parameters())
        self._calls: Counter[tuple[object, ...]] = Counter()
        self._recordings: dict[tuple[object, ...], _Recording] = {}
        self._reasons: dict[str, str] = {}

    @property
    def left_out(self) -> str:
        kinds: dict[str, list[str]] = {}
        for kind, reason in self._reasons.items():
            kinds.setdefault(reason, []).append(kind)
        return " ".join(f"The {join_and(of)} ran without CUDA graphs: {reason}." for reason, of in kinds.items())

    def backward(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        results = self._replayed("training steps", self._backward_results, inputs, labels)
        if results is None:
            return self._eager.backward(inputs, labels)
        logits, loss, *gradients = results
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
        assert logits is not None  # noqa: S101
        assert loss is not None  # noqa: S101
        return logits.clone(), loss.clone()

    def forward(self, inputs: Tensor) -> Tensor:
        results = self._replayed("evaluations", self._forward_results, inputs)
        if results is None:
            return self._eager.forward(inputs)
        (logits,) = results
        assert logits is not None  # noqa: S101
        return logits.clone()

    def _backward_results(self, inputs: Tensor, labels: Tensor) -> Results:
        for weight in self._weights:
            weight.grad = None
        return [*self._eager.backward(inputs, labels), *(weight.grad for weight in self._weights)]

    def _forward_results(self, inputs: Tensor) -> Results:
        return [self._eager.forward(inputs)]

    def _replayed(self, kind: str, call: Callable[..., Results], *inputs: Tensor) -> Results | None:
        """Return the results of a replayed pass; None if it has no recording."""
        key = (kind, *((tensor.shape, tensor.stride()) for tensor in inputs))
        if key not in self._recordings:
            self._calls[key] += 1
            if kind in self._reasons or self._calls[key] <= EAGER_CALLS:
                return None
            try:
                self._recordings[key] = self._checked_recording(call, inputs)
            except Exception as error:  # a capture fails in many ways
                self._reasons[kind] = first_line(error).rstrip(".")
                return None
        return self._recordings[key].run(inputs)

    def _checked_recording(self, call: Callable[..., Results], inputs: Sequence[Tensor]) -> _Recording:
        """Record a pass, and compare its bits with those of the same pass operation by operation."""
        device = inputs[0].device
        with self._state_kept(device) as state:
            expected = [None if result is None else result.clone() for result in [*call(*inputs), *self._buffers()]]
            if not state.equals(RandomState.capture(device)):
                raise NotRecordableError("the network draws random numbers")
        with self._state_kept(device):
            own = [tensor.clone() for tensor in inputs]
            recording = _Recording(own, *self._record(lambda: call(*own)))
        with self._state_kept(device):
            found = [*recording.run(inputs), *self._buffers()]
            if not all(map(_same_bits, expected, found)):
                raise NotRecordableError("a replayed pass has other bits")
        return recording

    @contextmanager
    def _state_kept(self, device: torch.device) -> Iterator[RandomState]:
        """Yield the random states; restore them, the network's buffers, and weights without gradients, at the end."""
        before = [buffer.clone() for buffer in self._buffers()]
        try:
            with random_state_kept(device) as state:
                yield state
        finally:
            for buffer, value in zip(self._buffers(), before, strict=True):
                buffer.copy_(value)
            for weight in self._weights:
                weight.grad = None

    def _buffers(self) -> list[Tensor]:
        return list(self._network.buffers())


def _same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(_bits(one), _bits(other))


def _bits(tensor: Tensor) -> Tensor:
    """Return the bytes of a tensor: NaN equals NaN, and 0 does not equal -0."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
