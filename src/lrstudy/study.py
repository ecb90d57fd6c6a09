"""Runs the trials of a study: reuses what is on the server, trains what is missing, survives workers that die."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, Protocol

from lrstudy.plan import Plan
from lrstudy.study_tracking import StudyRun, link, open_child
from lrstudy.tracking import DESCRIPTION, TrackedRun, log_result, shortened
from lrstudy.training import Epoch
from lrstudy.trial import Outcome, run_trial
from lrstudy.workers import WORKER_DIED

TRIES = 3
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Done:
    """A trial that has ended. Without `verdict` it has failed, `reason` says why; `reused` was there before."""

    number: int
    plan: Plan
    run_id: str
    val_loss: float = math.inf
    val_accuracy: float = 0.0
    verdict: str = ""
    reason: str = ""
    reused: bool = False


@dataclass
class _Running:
    """A trial under way; `logged` is the last epoch that the server has, -1 where it has none."""

    number: int
    plan: Plan
    run: TrackedRun
    logged: int
    tries: int = 1


class Watcher(Protocol):
    """Is told how a study goes on."""

    def started(self, number: int) -> None:
        """A trial has begun."""

    def epoch(self, number: int, epoch: Epoch) -> None:
        """A trial has got so far."""

    def done(self, done: Done) -> None:
        """A trial has ended, or had before."""


def run_trials(
    plans: Sequence[Plan], study: StudyRun, executor: Executor, at_a_time: int, mailbox: Queue[Any], watcher: Watcher
) -> list[Done]:
    """Runs a trial for each plan, in their order, `at_a_time` of them side by side; what ended before is reused.

    Args:
        plans: what to train.
        study: the run that the trials are children of.
        executor: where they run.
        at_a_time: how many are given to the executor at once.
        mailbox: a queue that workers can put epochs into.
        watcher: told how it goes on.
    """
    done = {number: reused for number, plan in enumerate(plans) if (reused := _reuse(study, number, plan))}
    for reused in done.values():
        watcher.done(reused)
    waiting = deque((number, plan) for number, plan in enumerate(plans) if number not in done)
    running: dict[Future[Outcome], _Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                trial = _open(study, *waiting.popleft())
                running[_submit(executor, trial, mailbox)] = trial
                watcher.started(trial.number)
            ended, _ = wait(running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            _log_epochs(mailbox, {trial.number: trial for trial in running.values()}, watcher)
            for future in ended:
                trial = running.pop(future)
                if isinstance(future.exception(), (BrokenExecutor, WORKER_DIED)) and trial.tries < TRIES:
                    trial.tries += 1
                    running[_submit(executor, trial, mailbox)] = trial
                else:
                    done[trial.number] = _end(study, trial, future)
                    watcher.done(done[trial.number])
    except BaseException:
        for trial in running.values():
            study.run.client.set_terminated(trial.run.run_id, "KILLED")
        raise
    return [done[number] for number in range(len(plans))]


def _reuse(study: StudyRun, number: int, plan: Plan) -> Done | None:
    there = study.there.get(plan.key)
    if there is None or there.info.status != "FINISHED":
        return None
    link(study, there)
    metrics, verdict = there.data.metrics, there.data.tags["lrstudy.verdict"]
    return Done(
        number, plan, there.info.run_id, metrics["best/val_loss"], metrics["best/val_accuracy"], verdict, reused=True
    )


def _open(study: StudyRun, number: int, plan: Plan) -> _Running:
    child = open_child(study, plan)
    return _Running(number, plan, child.run, child.last_epoch)


def _submit(executor: Executor, trial: _Running, mailbox: Queue[Any]) -> Future[Outcome]:
    return executor.submit(run_trial, trial.number, trial.plan.settings, mailbox.put)


def _log_epochs(mailbox: Queue[Any], trials: dict[int, _Running], watcher: Watcher) -> None:
    with suppress(Empty):
        while True:
            number, epoch = mailbox.get_nowait()
            trial = trials[number]
            watcher.epoch(number, epoch)
            # A trial that is tried again gives the same bits again: the server has them.
            if epoch.epoch > trial.logged:
                trial.run.log_epoch(epoch)
                trial.logged = epoch.epoch


def _end(study: StudyRun, trial: _Running, future: Future[Outcome]) -> Done:
    """Logs how a trial ended: with a result, or crashed."""
    client, run_id = study.run.client, trial.run.run_id
    if error := future.exception():
        reason = shortened(f"{type(error).__name__}: {error}")
        client.set_tag(run_id, DESCRIPTION, reason)
        client.set_terminated(run_id, "FAILED")
        return Done(trial.number, trial.plan, run_id, reason=reason)
    outcome = future.result()
    for epoch in outcome.result.history[trial.logged + 1 :]:  # of an executor that sends no mail
        trial.run.log_epoch(epoch)
    log_result(trial.run, trial.plan.data, outcome.result, outcome.files)
    # Only a run that has all its metrics is a finished one.
    trial.run.writer.flush()
    client.set_terminated(run_id)
    best = outcome.result.best
    return Done(trial.number, trial.plan, run_id, best.val_loss, best.val_accuracy, outcome.result.verdict.word)
