"""Letters between real sockets."""

import math
from pathlib import Path

from lrstudy.study.progress_channel import EPOCHS_PER_MESSAGE, ProgressChannel, ProgressSender
from lrstudy.training.epoch import Epoch


def epoch(number: int, loss: float = 0.5) -> Epoch:
    return Epoch(number, loss, 0.25, loss / 3, 0.75, 1.5, 0.125)


def test_epochs_arrive_in_order_with_all_their_numbers() -> None:
    with ProgressChannel() as channel:
        sender = ProgressSender(channel.address, 7)
        sender.send(epoch(0, math.pi))
        sender.send(epoch(1, math.inf))
        sender.flush()
        first, second = channel.messages()
        assert repr([first, second]) == repr([(7, epoch(0, math.pi)), (7, epoch(1, math.inf))])  # NaN included
        assert list(channel.messages()) == []


def test_a_sender_never_waits_and_loses_nothing_where_nobody_reads() -> None:
    with ProgressChannel() as channel:
        senders = [ProgressSender(channel.address, number) for number in range(2)]
        many = 300 * EPOCHS_PER_MESSAGE
        for number in range(many):
            for sender in senders:
                sender.send(epoch(number))
        arrived: dict[int, list[int]] = {0: [], 1: []}
        while any(len(numbers) < many for numbers in arrived.values()):
            for sender in senders:
                sender.flush()
            for number, one in channel.messages():
                arrived[number].append(one.epoch)
        assert arrived == {0: list(range(many)), 1: list(range(many))}


def test_letters_to_nowhere_are_no_error(tmp_path: Path) -> None:
    sender = ProgressSender(tmp_path / "gone", 0)
    sender.send(epoch(0))
    sender.flush()
    assert sender.stop_epoch() is None


def test_word_to_stop_reaches_the_trial_that_it_is_for() -> None:
    with ProgressChannel() as channel:
        channel.request_stop(3, 12)
        assert ProgressSender(channel.address, 3).stop_epoch() == 12
        assert ProgressSender(channel.address, 4).stop_epoch() is None
        address = channel.address
    assert not address.exists()
