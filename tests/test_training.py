"""The training loop against plain torch, written here a second time."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lrstudy.errors import SettingsError
from lrstudy.server_names import CURVES
from lrstudy.training import history
from lrstudy.training.data_splits import InMemorySplit
from lrstudy.training.epoch import BATCH_SUMS, Epoch
from lrstudy.training.image_results import ImageResults
from lrstudy.training.loop import batch_sizes, evaluate, train_epochs


def part(images: int, seed: int, side: int = 4) -> InMemorySplit:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (images,), generator=generator)
    return InMemorySplit(
        torch.randn(images, side, side, 1, generator=generator) + labels[:, None, None, None],
        labels,
        channels_last=False,
    )


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def trained(lr: float = 0.1, epochs: int = 4, seed: int = 0, batch_size: int = 16) -> tuple[nn.Module, list[Epoch]]:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    records = train_epochs(net, optimizer, part(50, 1), part(30, 2), epochs=epochs, batch_size=batch_size, seed=seed)
    return net, list(records)


def numbers(records: list[Epoch]) -> list[tuple[float, ...]]:
    return [(record.train_loss, record.train_accuracy, record.val_loss, record.val_accuracy) for record in records]


def test_the_records_are_those_of_a_plain_loop_over_the_same_batches() -> None:
    _, records = trained()
    net, train, validation = network(), part(50, 1), part(30, 2)
    everything, labels = train.batch(torch.arange(50))
    val_inputs, val_labels = validation.batch(torch.arange(30))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for record in records[1:]:
        order = np.random.SeedSequence([0, record.epoch]).generate_state(2, np.uint64)[0]
        rows = torch.randperm(50, generator=torch.Generator().manual_seed(int(order)))
        total, correct = 0.0, 0
        for start in range(0, 50, 16):
            batch = rows[start : start + 16]
            logits = net(everything[batch])
            loss = cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
            correct += int((logits.argmax(1) == labels[batch]).sum())
        assert record.train_loss == pytest.approx(total / 50, rel=1e-12)
        assert record.train_accuracy == correct / 50
        val_logits = net(val_inputs)
        assert record.val_loss == pytest.approx(cross_entropy(val_logits, val_labels).item(), rel=1e-6)
        assert record.val_accuracy == (val_logits.argmax(1) == val_labels).double().mean().item()


def test_epoch_0_is_the_untrained_network() -> None:
    _, records = trained()
    inputs, labels = part(50, 1).batch(torch.arange(50))
    assert records[0].epoch == 0
    assert records[0].train_loss == pytest.approx(cross_entropy(network()(inputs), labels).item(), rel=1e-6)


def test_there_is_one_record_an_epoch_in_order() -> None:
    assert [record.epoch for record in trained(epochs=7)[1]] == list(range(8))


def test_the_same_seed_gives_the_same_bits() -> None:
    (first, records), (second, again) = trained(seed=5), trained(seed=5)
    assert numbers(records) == numbers(again)
    assert all(itertools.starmap(torch.equal, zip(first.parameters(), second.parameters(), strict=True)))


def test_another_seed_gives_another_order_of_batches() -> None:
    assert numbers(trained(seed=5)[1])[1:] != numbers(trained(seed=6)[1])[1:]


def test_random_draws_between_epochs_change_nothing() -> None:
    net = nn.Sequential(network(), nn.Dropout(0.5))
    runs = []
    for disturb in (False, True):
        copy = nn.Sequential(network(), nn.Dropout(0.5))
        copy.load_state_dict(net.state_dict())
        optimizer = torch.optim.SGD(copy.parameters(), lr=0.1)
        records = []
        for record in train_epochs(copy, optimizer, part(50, 1), part(30, 2), epochs=3, batch_size=16, seed=0):
            records.append(record)
            if disturb:
                torch.rand(17)
        runs.append(numbers(records))
    assert runs[0] == runs[1]


def test_a_metric_of_the_table_is_its_mean_per_image_on_both_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class EpochWithErrors(Epoch):
        train_error: float = math.nan
        val_error: float = math.nan

    monkeypatch.setitem(BATCH_SUMS, "error", lambda logits, labels: (logits.argmax(1) != labels).sum())
    monkeypatch.setattr("lrstudy.training.loop.Epoch", EpochWithErrors)
    _, records = trained(epochs=2)
    for record in records:
        assert isinstance(record, EpochWithErrors)
        assert record.train_error == pytest.approx(1 - record.train_accuracy, rel=1e-12)
        assert record.val_error == pytest.approx(1 - record.val_accuracy, rel=1e-12)
        assert {*CURVES, "train_error", "val_error"} <= set(record.metrics)


def test_a_record_logs_the_curves_that_the_report_reads() -> None:
    _, records = trained(epochs=1)
    assert all(set(CURVES) <= set(record.metrics) for record in records)


def test_the_history_is_read_as_it_was_written() -> None:
    _, records = trained(lr=1e30, epochs=20)
    assert repr(history.from_csv(history.to_csv(records))) == repr(records)


def test_a_diverged_training_ends_early_and_its_last_record_is_diverged() -> None:
    _, records = trained(lr=1e30, epochs=20)
    assert 1 < len(records) < 20
    assert records[-1].diverged
    assert not any(record.diverged for record in records[:-1])
    assert not math.isfinite(records[-1].val_loss)


def test_evaluation_does_not_depend_on_how_many_images_go_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate(network(), part(50, 1))
    monkeypatch.setattr("lrstudy.training.loop.EVALUATION_BATCH", 7)
    assert evaluate(network(), part(50, 1)) == pytest.approx(whole, rel=1e-6)


def test_dropout_is_off_while_a_network_is_evaluated() -> None:
    net = nn.Sequential(network(), nn.Dropout(0.5)).train()
    assert evaluate(net, part(50, 1)) == evaluate(network(), part(50, 1))


def test_the_results_of_each_image_are_in_the_order_of_the_split_and_have_the_mean_of_the_evaluation() -> None:
    images = ImageResults()
    metrics = evaluate(network(), part(600, 1), images)
    inputs, labels = part(600, 1).batch(torch.arange(600))
    logits = network()(inputs)
    assert images.predicted.tolist() == logits.argmax(1).tolist()
    logs = logits.double() - logits.double().exp().sum(1, keepdim=True).log()
    assert images.losses == pytest.approx(-logs[torch.arange(600), labels].detach().numpy(), rel=1e-5)
    assert images.losses.dtype == np.float32
    assert images.losses.mean(dtype=np.float64) == pytest.approx(metrics["loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("images", "batch_size", "no_single", "sizes"),
    [
        (10, 4, False, [4, 4, 2]),
        (9, 4, False, [4, 4, 1]),
        (9, 4, True, [4, 5]),
        (8, 4, True, [4, 4]),
        (3, 256, True, [3]),
        (1, 256, False, [1]),
    ],
)
def test_batches_cover_the_images_and_none_is_of_one_where_that_cannot_be(
    images: int, batch_size: int, no_single: bool, sizes: list[int]
) -> None:
    assert batch_sizes(images, batch_size, no_single=no_single) == sizes


def test_a_network_that_normalises_over_batches_rejects_batches_of_one() -> None:
    with pytest.raises(SettingsError, match=r"batch_size='1' .* 2 images or more"):
        batch_sizes(10, 1, no_single=True)
