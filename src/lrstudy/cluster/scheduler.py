"""The connection to a Dask scheduler: with the agent, which runs in its workers, all of this project that knows Dask.

Its methods belong to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import Client, KilledWorker, LocalCluster, Security

from lrstudy.cluster.shipped import agent_function
from lrstudy.compat.dask_logging import silence_dask
from lrstudy.errors import ClusterError
from lrstudy.formatting import setting_error
from lrstudy.redaction import first_line
from lrstudy.settings.fields import LOCAL_CLUSTER

SECONDS_TO_CONNECT = 20.0
# Of a call beside the tasks: the worker may be cut off.
SECONDS_TO_ANSWER = 20.0
# Of the end of the connection, which a scheduler that is lost does not confirm.
SECONDS_TO_CLOSE = 3.0
# The topic on which the scheduler logs that workers come and go, and that of the progress of trainings.
WORKERS_TOPIC, PROGRESS_TOPIC = "all", "lrstudy"


class TaskLostError(Exception):
    """A task ended without a result: its worker died, or the scheduler cancelled it."""


class Scheduler:
    """A scheduler with its workers."""

    def __init__(self, client: Client, local: LocalCluster | None) -> None:
        self._client = client
        self._local = local

    @classmethod
    async def connect(cls, cluster: str) -> Scheduler:
        """Connect to the scheduler of an address, or start one with `local:N` workers.

        Raises:
            ClusterError: no scheduler answers.
        """
        silence_dask()
        local = None
        try:
            if cluster.startswith(LOCAL_CLUSTER):
                local = await _start_local(int(cluster.removeprefix(LOCAL_CLUSTER)))
            # By default, Dask takes the keys of tls:// from the user's own configuration.
            security = local.security if local else Security()
            address = local.scheduler_address if local else cluster
            client = await Client(
                address, asynchronous=True, security=security, timeout=SECONDS_TO_CONNECT, set_as_default=False
            )
        except BaseException as error:
            if local:
                await local.close()
            if not isinstance(error, OSError | TypeError | ValueError | RuntimeError):
                raise
            reason = first_line(error) or type(error).__name__
            raise ClusterError(setting_error("cluster", cluster, f": no Dask scheduler answers ({reason}).")) from None
        return cls(client, local)

    @property
    def is_lost(self) -> bool:
        """True once the connection has ended: the scheduler has then dropped this client's tasks."""
        return bool(self._client.status != "running")

    async def workers(self) -> list[str]:
        """Return the addresses of the workers."""
        return list((await self._client.scheduler.identity(n_workers=-1))["workers"])

    def watch(
        self,
        on_added: Callable[[str], None],
        on_removed: Callable[[str], None],
        on_progress: Callable[[str, bytes], None],
    ) -> None:
        """Call these functions with the addresses of workers that come and go, and with tasks and their progress."""
        handlers = {"add-worker": on_added, "remove-worker": on_removed}

        def on_workers(event: tuple[float, Any]) -> None:
            _, message = event
            if isinstance(message, dict) and message.get("action") in handlers:
                handlers[message["action"]](message["worker"])

        self._client.subscribe_topic(WORKERS_TOPIC, on_workers)
        self._client.subscribe_topic(PROGRESS_TOPIC, lambda event: on_progress(event[1]["task"], event[1]["content"]))

    async def run(self, worker: str, function: str, *arguments: Any) -> Any:
        """Run a function of the agent as a task of one worker, and return its result.

        The task is bound to the worker: Dask would otherwise start it again elsewhere when the worker dies, or move it
        to another worker, without notice.

        Raises:
            TaskLostError: it has no result.
        """
        future = self._client.submit(
            agent_function(function),
            *arguments,
            key=f"lrstudy-{function}-{uuid.uuid4().hex}",
            workers=[worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        try:
            return await future
        except KilledWorker:
            raise TaskLostError("its worker died") from None
        except Exception as error:  # such as a cancellation by the scheduler
            raise TaskLostError(f"{type(error).__name__}: {first_line(error)}") from None
        finally:
            if not future.done():
                with suppress(Exception):
                    await self._client.cancel([future])

    async def call(self, worker: str, function: str, *arguments: Any) -> Any:
        """Call a function of the agent at once in a worker, beside its tasks, and return its result.

        Raises:
            TaskLostError: the worker does not answer, or the function fails.
        """
        answer = self._client.run(agent_function(function), *arguments, workers=[worker])
        try:
            return (await asyncio.wait_for(answer, SECONDS_TO_ANSWER))[worker]
        except Exception as error:  # such as TimeoutError, or the end of the connection
            raise TaskLostError(f"{type(error).__name__}: {first_line(error)}") from None

    async def close(self) -> None:
        """End the connection, and the scheduler and the workers if they were started here."""
        with suppress(Exception):
            await asyncio.wait_for(self._client.close(), SECONDS_TO_CLOSE)
        if self._local:
            with suppress(Exception):
                await asyncio.wait_for(self._local.close(), SECONDS_TO_ANSWER)


async def _start_local(workers: int) -> LocalCluster:
    """Start a scheduler and workers that only this process can use, since no other has its keys."""
    return await LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        security=Security.temporary(),
        silence_logs=logging.CRITICAL,
        asynchronous=True,
    )
