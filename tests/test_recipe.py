"""The parts of a recipe, each against an independent computation, and trainings with all of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from lrstudy import cache_paths
from lrstudy.errors import SettingsError
from lrstudy.networks import Shape, build_model
from lrstudy.schedules import Schedule
from lrstudy.settings import TrainSettings
from lrstudy.study.run_training import describe_early_end
from lrstudy.study.trial import planned
from lrstudy.training import checkpoint, setup
from lrstudy.training.class_metrics import ClassCounts
from lrstudy.training.epoch import Epoch
from lrstudy.training.loop import train_epochs
from lrstudy.training.progress import finalize, initial_progress, track_best
from lrstudy.training.recipe import Loss, Recipe, balanced_weights
from lrstudy.training.result import Result
from lrstudy.training.setup import TrainingSetup
from lrstudy.training.verdict import Verdict
from lrstudy.training.weight_average import WeightAverage
from test_training import network, part


def made(**changes: object) -> TrainingSetup:
    plain = {"epochs": 4, "hidden": (8,), "lr": 0.05, "threads": 1, "batch_size": 512}
    return setup.build(planned(TrainSettings(**(plain | changes))))


def trained(training: TrainingSetup) -> list[Epoch]:
    return list(track_best(training, initial_progress(training), training.epochs()))


def test_the_loss_is_that_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    logits, labels = torch.randn(7, 3, generator=generator), torch.tensor([0, 2, 1, 1, 0, 2, 2])
    weights, smoothing = torch.tensor([0.5, 2.0, 1.0]), 0.1
    logs = (logits - logits.exp().sum(1, keepdim=True).log()).double().numpy()
    targets = np.full((7, 3), smoothing / 3) + (1 - smoothing) * np.eye(3)[labels]
    expected = -(targets * weights.numpy() * logs).sum() / weights.numpy()[labels].sum()
    assert Loss(smoothing, weights)(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.array([0] * 5 + [1] * 2 + [2] * 9)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(labels, 3).tolist() == pytest.approx(expected.tolist())
    assert balanced_weights(labels, 4)[3] == 0


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_metrics_of_imbalanced_classes_are_scikit_learns() -> None:
    generator = np.random.default_rng(2)
    labels, predicted = generator.choice(4, 90, p=[0.8, 0.1, 0.1, 0]), generator.choice(5, 90)
    counts, logits = ClassCounts(), torch.from_numpy(np.eye(5)[predicted])
    for rows in (slice(0, 50), slice(50, 90)):
        counts.add(logits[rows], torch.from_numpy(labels[rows]))
    assert counts.metrics() == pytest.approx(
        {
            "balanced_accuracy": balanced_accuracy_score(labels, predicted),
            "macro_f1": f1_score(labels, predicted, average="macro"),
        }
    )


def test_averaged_weights_and_running_statistics_are_those_of_the_formula() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    average, decay = WeightAverage(net, 0.5), 0.5
    expected = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(6):
        inputs, labels = part(50, step).batch(torch.arange(50))
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.update(net, step)
        beta = min(decay, (2 + step) / (11 + step))
        for name, value in net.state_dict().items():
            average_now = beta * expected[name] + (1 - beta) * value if value.is_floating_point() else value
            expected[name] = average_now.clone()
    assert "2.running_var" in expected
    for name, value in average.network.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_a_step_uses_its_learning_rate_clipped_gradient_and_loss_as_plain_torch_does() -> None:
    weights, schedule = torch.tensor([0.5, 2.0, 1.0]), Schedule("cosine", 8, 2)
    ours, theirs = network(), network()
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.5)
    recipe = Recipe(schedule, Loss(0.1, weights), clip_norm=0.05)
    records = list(
        train_epochs(ours, optimizer, part(50, 1), part(30, 2), epochs=2, batch_size=16, seed=0, recipe=recipe)
    )
    plain = torch.optim.SGD(theirs.parameters(), lr=0.5)
    loss = nn.CrossEntropyLoss(weights, label_smoothing=0.1)
    for epoch in (1, 2):
        order = np.random.SeedSequence([0, epoch]).generate_state(2, np.uint64)[0]
        rows = torch.randperm(50, generator=torch.Generator().manual_seed(int(order)))
        for number, batch in enumerate(torch.split(rows, 16)):
            plain.param_groups[0]["lr"] = 0.5 * schedule.factor(4 * (epoch - 1) + number)
            plain.zero_grad()
            inputs, labels = part(50, 1).batch(batch)
            loss(theirs(inputs), labels).backward()
            nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
            plain.step()
        assert records[epoch].learning_rate == 0.5 * schedule.factor(4 * epoch - 1)
    for ours_weight, theirs_weight in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(ours_weight, theirs_weight)


@pytest.mark.parametrize("head_lr", [1.0, 0.5])
def test_vectors_have_no_weight_decay_with_decay_of_matrices_alone(head_lr: float) -> None:
    weights = list(network().parameters())
    groups: list[dict[str, Any]] = [{"params": weights[:2]}, {"params": weights[2:], "lr": head_lr}]
    plan = planned(TrainSettings(optimizer="adamw", decay="matrices", threads=1))
    optimizer = plan.optimizer(weights) if head_lr == 1 else plan.optimizer(groups)
    of_each = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    assert [of_each[id(weight)]["weight_decay"] for weight in weights] == [0.01, 0, 0.01, 0]
    assert [of_each[id(weight)]["lr"] for weight in weights[2:]] == 2 * [0.5 if head_lr != 1 else 0.001]
    assert len(optimizer.param_groups) == (2 if head_lr == 1 else 4)


def test_patience_ends_a_training_and_a_resumed_one_at_the_same_epoch() -> None:
    training = made(lr=0.9, optimizer="sgd", epochs=60, patience=3)
    records = trained(training)
    best = min(range(len(records)), key=lambda epoch: records[epoch].val_loss)
    assert len(records) - 1 == best + 3 < 60
    progress = initial_progress(training)
    progress.history, progress.best = records, records[best]
    assert not list(track_best(training, progress, training.epochs(len(records) - 1)))
    result = Result(tuple(records), records[best], Verdict("good", ""), {}, np.empty(0))
    line = f"stopped early, after epoch {best + 3} of 60: no lower validation loss in 3 epochs\n"
    assert describe_early_end(training.plan.settings, result) == line
    assert describe_early_end(TrainSettings(epochs=best + 3, patience=3), result) == ""


def test_the_validation_loss_and_the_logged_training_loss_are_plain_cross_entropies() -> None:
    plain, smoothed = (trained(made(label_smoothing=share, lr=1e-30)) for share in (0.0, 0.3))
    assert [epoch.val_loss for epoch in plain] == [epoch.val_loss for epoch in smoothed]
    assert [epoch.train_loss for epoch in plain] == [epoch.train_loss for epoch in smoothed]


@pytest.mark.parametrize(
    "recipe",
    [Recipe(autocast=torch.bfloat16), Recipe(loss=Loss(0.3, torch.tensor([1.0, 2.0, 3.0])))],
    ids=["bf16", "smoothed and weighted"],
)
def test_evaluations_are_plain_cross_entropies_in_float32_whatever_is_trained(recipe: Recipe) -> None:
    net, validation = network(), part(30, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    records = list(
        train_epochs(net, optimizer, part(50, 1), validation, epochs=1, batch_size=16, seed=0, recipe=recipe)
    )
    inputs, labels = validation.batch(torch.arange(30))
    with torch.no_grad():
        expected = nn.functional.cross_entropy(net(inputs), labels).item()
    assert records[-1].val_loss == pytest.approx(expected, rel=1e-6)


def test_a_schedule_counts_the_smaller_last_batch_of_each_epoch() -> None:
    # 1,257 images in batches of 500 are three steps; the last of OneCycleLR's rates is the peak / 25 / 10,000.
    records = trained(made(schedule="one_cycle", epochs=2, batch_size=500))
    assert records[-1].learning_rate == pytest.approx(0.05 / 25 / 1e4)


def test_averaged_weights_are_evaluated_and_kept_beside_the_others() -> None:
    training = made(ema=0.9)
    progress = initial_progress(training)
    records = list(track_best(training, progress, training.epochs()))
    assert records[0].val_loss_ema == records[0].val_loss
    assert records[-1].val_loss_ema != records[-1].val_loss
    result = finalize(training, progress)
    assert result.metrics["best/val_loss_ema"] == min(epoch.val_loss_ema for epoch in records)
    assert {"test/accuracy", "test/accuracy_ema", "test/macro_f1"} <= set(result.metrics)


def test_without_a_recipe_an_epoch_logs_no_metrics_of_averages() -> None:
    assert not [name for name in trained(made(epochs=1))[1].metrics if name.endswith("_ema")]


RECIPES = st.fixed_dictionaries(
    {
        "schedule": st.sampled_from(["constant", "cosine", "linear", "step", "exponential"]),
        "warmup": st.sampled_from([0.0, 0.5, 1.5]),
        "augment": st.sampled_from(["none", "flip", "crop", "standard", "trivial"]),
        "decay": st.sampled_from(["all", "matrices"]),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
        "class_weights": st.sampled_from(["none", "balanced"]),
        "clip_norm": st.sampled_from([0.0, 0.5]),
        "patience": st.sampled_from([0, 2]),
        "ema": st.sampled_from([0.0, 0.9]),
        "optimizer": st.sampled_from(["sgd", "adamw", "radam"]),
        "fine_tuning": st.sampled_from(["none", "weights", "freeze=backbone", "head_lr=10"]),
    }
)


def fine_tuning(choice: str, path: Path) -> dict[str, object]:
    """Return the settings of a kind of fine-tuning, from weights in a file at `path`."""
    if choice == "none":
        return {}
    if not path.exists():
        torch.save(build_model("mlp", Shape(1, 8, 4), (8,)).state_dict(), path)
    name, _, value = choice.partition("=")
    return {"weights": str(path), **({name: value} if value else {})}


@given(recipe=RECIPES, killed_after=st.integers(1, 3))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_combination_resumes_after_any_epoch_with_the_same_bits(
    recipe: dict[str, object], killed_after: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tuned = fine_tuning(str(recipe["fine_tuning"]), tmp_path / "weights.pt")
    recipe = {name: value for name, value in recipe.items() if name != "fine_tuning"} | tuned
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(checkpoint, "MAX_SHARE", float("inf"))
    run_id = "a run"

    def run(epochs: int | None) -> tuple[list[dict[str, float]], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        training, progress = checkpoint.resume(made(**recipe, epochs=3), run_id)
        running = track_best(training, progress, training.epochs(len(progress.history) - 1))
        for epoch in checkpoint.save_checkpoints(training, run_id, progress, running):
            if epoch.epoch + 1 == epochs:
                break
        else:
            finalize(training, progress)
        return [epoch.metrics for epoch in progress.history], progress.best_weights, progress.average_weights

    whole = run(None)
    cache_paths.remove_checkpoint(run_id)
    run(killed_after)
    resumed = run(None)
    cache_paths.remove_checkpoint(run_id)
    assert resumed[0] == whole[0]
    for ours, theirs in zip(resumed[1:], whole[1:], strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schedule": "cosin"}, "schedule='cosin' is not a known schedule; did you mean 'cosine'"),
        ({"warmup": "50"}, "warmup='50' must be less than epochs='50'"),
        ({"schedule": "one_cycle", "warmup": "1"}, "warmup='1' has no effect, since one_cycle has a warmup of its own"),
        ({"schedule": "one_cycle", "patience": "2"}, "patience='2' would cut the cycle of schedule='one_cycle' short"),
        ({"precision": "fp16"}, "precision='fp16' must be 'auto', 'fp32', 'tf32' or 'bf16'"),
        ({"ema": "1"}, "ema='1' must be a finite number of at least 0 and less than 1"),
        ({"label_smoothing": "-0.1"}, "label_smoothing='-0.1' must be a finite number of at least 0"),
        ({"optimizer_args": "beta"}, "optimizer_args='beta' must be arguments as in betas=0.9,0.95;eps=1e-6"),
        ({"optimizer_args": "lr=1"}, "optimizer_args='lr=1' names 'lr', which is a setting of its own; use lr=1"),
    ],
)
def test_an_invalid_recipe_is_rejected_in_one_sentence(changes: dict[str, str], sentence: str) -> None:
    from lrstudy.cli.command_line import parse

    with pytest.raises(SettingsError, match=sentence):
        parse(TrainSettings, [f"--{name}={value}" for name, value in changes.items()])


def test_tf32_is_rejected_on_a_cpu() -> None:
    with pytest.raises(SettingsError, match="precision='tf32' is not available on cpu; use precision=fp32"):
        made(precision="tf32", device="cpu")
