"""Recorded passes against eager ones, bit for bit. In place of a CUDA graph, a recording calls again."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from lrstudy.networks import Shape, build_model
from lrstudy.optimizers import DEFAULT_OPTIMIZERS, build_optimizer
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training.diagnosis.diagnosis import Diagnosis
from lrstudy.training.epoch import Epoch
from lrstudy.training.loop import train_epochs
from lrstudy.training.passes import EagerPasses
from lrstudy.training.recipe import PLAIN_RECIPE, Loss, Recipe
from lrstudy.training.recorded_passes import Record, RecordedPasses, Results
from lrstudy.training.runtime import Runtime
from lrstudy.training.setup import UNKNOWN_CODE, choose_passes
from small_trainings import BATCH, CLASSES, IMAGES, SIDE, STEPS, dense, split


class Recorder:
    """Records by calling again: `replays` counts how often. Like a graph, a replay leaves attributes as they are."""

    def __init__(self, change: Callable[[Tensor], Tensor] = lambda result: result) -> None:
        self.weights: list[nn.Parameter] = []
        self.recordings = 0
        self.replays = 0
        self._change = change

    def __call__(self, call: Callable[[], Results]) -> tuple[Results, Callable[[], None]]:
        results = call()
        self.recordings += 1

        def replay() -> None:
            self.replays += 1
            gradients = [weight.grad for weight in self.weights]
            for own, again in zip(results, call(), strict=True):
                if own is not None and again is not None:
                    own.copy_(self._change(again))
            for weight, gradient in zip(self.weights, gradients, strict=True):
                weight.grad = gradient

        return results, replay


def fail(call: Callable[[], Results]) -> tuple[Results, Callable[[], None]]:
    call()
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


class Trained:
    """A training that has ended, with recorded passes if there is a recorder."""

    def __init__(
        self,
        build: Callable[[], nn.Module],
        record: Record | None = None,
        optimizer: str = "sgd",
        lr: float = 0.1,
        recipe: Recipe = PLAIN_RECIPE,
        diagnose: bool = False,
    ) -> None:
        torch.manual_seed(0)
        network, train = build(), split()
        self.optimizer = build_optimizer(optimizer, list(network.parameters()), lr=lr)
        if isinstance(record, Recorder):
            record.weights = list(network.parameters())
        eager = EagerPasses(network, recipe)
        self.passes = RecordedPasses(network, eager, record) if record else eager
        diagnosis = Diagnosis(train, recipe, epochs=6, steps=STEPS, batch_size=BATCH) if diagnose else None
        self.records: list[Epoch] = list(
            train_epochs(
                network,
                self.optimizer,
                train,
                split(24, 2),
                epochs=6,
                batch_size=BATCH,
                seed=0,
                recipe=recipe,
                diagnosis=diagnosis,
                passes=self.passes,
            )
        )
        self.weights = list(network.state_dict().values())

    @property
    def state(self) -> list[Tensor]:
        """All numbers of the network and of the optimizer."""
        slots = self.optimizer.state_dict()["state"].values()
        return [*self.weights, *(value for slot in slots for value in slot.values() if isinstance(value, Tensor))]

    def check_same_bits(self, other: "Trained") -> None:
        for ours, theirs in zip(self.records, other.records, strict=True):
            for name, value in ours.metrics.items():
                assert value == theirs.metrics[name] or math.isnan(value), name
        for one, another in zip(self.state, other.state, strict=True):
            assert torch.equal(one.nan_to_num(7), another.nan_to_num(7))


def builtin(model: str) -> Callable[[], nn.Module]:
    return partial(build_model, model, Shape(channels=1, side=SIDE, classes=CLASSES), (8, 5))


def normalised() -> nn.Module:
    return dense(nn.BatchNorm1d(8))


@pytest.mark.parametrize("build", [builtin("mlp"), builtin("cnn"), normalised])
@pytest.mark.parametrize("optimizer", DEFAULT_OPTIMIZERS)
def test_replayed_trainings_have_the_bits_of_eager_ones(build: Callable[[], nn.Module], optimizer: str) -> None:
    recorder = Recorder()
    replayed = Trained(build, recorder, optimizer)
    replayed.check_same_bits(Trained(build, optimizer=optimizer))
    assert replayed.passes.left_out == ""
    # Steps of 16 and of 8 images, and evaluations of 40 and 24; each is compared once before it is used.
    assert IMAGES % BATCH == 8
    assert recorder.recordings == 3  # the training split is evaluated once
    steps, last_steps, evaluations = 6 * (STEPS - 1) - 2, 6 - 2, 7 - 2
    assert recorder.replays == recorder.recordings + steps + last_steps + evaluations


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(clip_norm=0.1),
        Recipe(loss=Loss(0.1, torch.tensor([1.0, 2.0, 3.0]))),
        Recipe(autocast=torch.bfloat16),
    ],
    ids=["clipped", "weighted", "bf16"],
)
def test_every_recipe_is_replayed_with_the_same_bits(recipe: Recipe) -> None:
    recorder = Recorder()
    Trained(normalised, recorder, recipe=recipe).check_same_bits(Trained(normalised, recipe=recipe))
    assert recorder.recordings == 3


def test_a_pass_that_is_no_longer_finite_is_replayed() -> None:
    network, recorder = dense(), Recorder()
    passes = RecordedPasses(network, EagerPasses(network, PLAIN_RECIPE), recorder)
    inputs, labels = split().batch(torch.arange(IMAGES))
    losses = [passes.backward(inputs * math.nan, labels)[1] for _ in range(4)]
    assert all(loss.isnan() for loss in losses)
    assert (recorder.recordings, passes.left_out) == (1, "")


def test_a_diagnosis_measures_the_same() -> None:
    replayed, eager = (Trained(builtin("mlp"), record, diagnose=True) for record in (Recorder(), None))
    replayed.check_same_bits(eager)
    assert any(record.causes for record in eager.records)


def test_steps_that_draw_random_numbers_are_not_recorded_but_evaluations_are() -> None:
    build, recorder = partial(dense, nn.Dropout(0.5)), Recorder()
    replayed = Trained(build, recorder)
    replayed.check_same_bits(Trained(build))
    assert recorder.recordings == 1
    assert replayed.passes.left_out == "The training steps ran without CUDA graphs: the network draws random numbers."


def test_what_cannot_be_recorded_runs_eagerly_with_the_reason() -> None:
    replayed = Trained(normalised, fail)
    replayed.check_same_bits(Trained(normalised))
    reason = "operation not permitted when stream is capturing"
    assert replayed.passes.left_out == f"The training steps and evaluations ran without CUDA graphs: {reason}."


def test_a_recording_with_other_bits_is_not_used() -> None:
    recorder = Recorder(lambda result: torch.nextafter(result, torch.tensor(math.inf)))
    replayed = Trained(normalised, recorder)
    replayed.check_same_bits(Trained(normalised))
    assert recorder.replays == recorder.recordings == 2  # one of the steps, one of the evaluations
    assert replayed.passes.left_out.endswith(" ran without CUDA graphs: a replayed pass has other bits.")


def test_an_eager_step_between_replayed_ones_keeps_its_own_gradients() -> None:
    network, recorder = dense(), Recorder()
    recorder.weights = list(network.parameters())
    passes = RecordedPasses(network, EagerPasses(network, PLAIN_RECIPE), recorder)
    inputs, labels = split().batch(torch.arange(IMAGES))
    for _ in range(3):
        passes.backward(inputs, labels)
        network.zero_grad()
    for images in (IMAGES, 5, IMAGES):
        logits, loss = passes.backward(inputs[:images], labels[:images])
        gradients = [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]
        network.zero_grad()
        expected_logits, expected = EagerPasses(network, PLAIN_RECIPE).backward(inputs[:images], labels[:images])
        assert torch.equal(logits, expected_logits)
        assert torch.equal(loss, expected)
        for weight, gradient in zip(network.parameters(), gradients, strict=True):
            assert weight.grad is not None
            assert torch.equal(weight.grad, gradient)
        network.zero_grad()


@pytest.mark.parametrize(
    ("device", "changes", "recorded", "left_out"),
    [
        ("cuda", {}, True, ""),
        ("cuda", {"model": "resnet18", "optimizer": "adafactor"}, True, ""),
        ("cuda", {"model": "timm:resnet18"}, False, UNKNOWN_CODE),
        ("cuda", {"optimizer": "some_package:Optimizer"}, False, UNKNOWN_CODE),
        ("cpu", {}, False, ""),
    ],
)
def test_passes_are_recorded_on_a_gpu_for_networks_and_optimizers_that_are_known(
    device: str, changes: dict[str, str], recorded: bool, left_out: str
) -> None:
    settings = TrainSettings().model_copy(update=changes)
    plan = replace(planned(TrainSettings()), settings=settings, runtime=Runtime(torch.device(device), 1, "fp32"))
    passes = choose_passes(plan, dense(), PLAIN_RECIPE)
    assert isinstance(passes, RecordedPasses) == recorded
    assert passes.left_out == left_out
