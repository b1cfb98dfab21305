"""Connection to a Dask scheduler: time limit, TLS, the same versions on all workers."""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import GivenUpError, went_on
from napari_contrastseg.io.optional import need
from napari_contrastseg.tasks.cluster.address import Address, read_address
from napari_contrastseg.tasks.cluster.installation import difference, installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds to wait for a scheduler, and between two looks at whether anybody does.
PATIENCE: Final = 10.0
_PAUSE: Final = 0.2
_LOGGERS: Final = ("distributed", "distributed.client")


@contextmanager
def connected(address: str, seconds: float = PATIENCE) -> Iterator[Any]:
    """Connect to a scheduler whose workers have what is installed here.

    Only the scheduler's port is used: what workers answer comes through it.

    Yields
    ------
    distributed.Client

    Raises
    ------
    InputError
        The address may not be used, nobody answers, there are no workers, or they have
        other versions.
    GivenUpError
        Nobody waits for it any more; see `went_on`.
    """
    where = read_address(address)
    with quiet():
        client = _while_wanted(partial(_checked, where, seconds))
        try:
            yield client
        finally:
            client.close(timeout=seconds)


def _while_wanted(connect: Callable[[], Any]) -> Any:
    """Connect in a thread: what gives it up does not wait for who never answers."""
    client: Future[Any] = Future()

    def work() -> None:
        try:
            client.set_result(connect())
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            client.set_exception(error)

    threading.Thread(target=work, name="contrastseg-connect", daemon=True).start()
    while not wait([client], timeout=_PAUSE).done:
        try:
            went_on()
        except GivenUpError:
            client.add_done_callback(_close_unwanted)
            raise
    return client.result()


def _close_unwanted(client: Future[Any]) -> None:
    if client.exception() is None:
        client.result().close()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Dask's own log from the screen: what matters is said in a sentence."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _checked(where: Address, seconds: float) -> Any:
    """Connect to a scheduler whose workers have what is installed here."""
    distributed = need("distributed", "Clusters", "cluster")  # loads for seconds
    client = _client(distributed, where, seconds)
    try:
        _check_workers(client, where)
    except BaseException:
        client.close(timeout=seconds)
        raise
    return client


def _client(distributed: Any, where: Address, seconds: float) -> Any:
    security = security_for(distributed, where)
    need_scheduler(where, security, seconds)
    with warnings.catch_warnings():
        # other versions are refused below, in one sentence
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
        try:
            return distributed.Client(
                str(where),
                timeout=seconds,
                security=security,
                set_as_default=False,
                direct_to_workers=False,
            )
        except (OSError, ValueError) as error:
            raise _no_answer(where, seconds) from error


def need_scheduler(where: Address, security: Any, seconds: float = PATIENCE) -> None:
    """See that something answers there as Dask does; Dask itself would wait forever.

    Raises
    ------
    InputError
        Nobody does within the time limit.
    """
    from distributed.comm.core import connect  # noqa: PLC0415

    connect_to: Any = connect  # untyped there

    async def greet() -> None:
        keys = security.get_connection_args("client")
        found = await connect_to(str(where), timeout=seconds, **keys)
        found.abort()

    try:
        asyncio.run(asyncio.wait_for(greet(), seconds))
    except Exception as error:  # another program may answer with anything
        raise _no_answer(where, seconds) from error


def _no_answer(where: Address, seconds: float) -> InputError:
    return InputError(
        f"{where}: no Dask scheduler answers within {seconds:g} s; start one there, or "
        "open the ssh tunnel that leads to it."
    )


def security_for(distributed: Any, where: Address) -> Any:
    """Take the keys from Dask's configuration, which TLS needs.

    Raises
    ------
    InputError
        It names none.
    """
    security = distributed.security.Security(require_encryption=where.encrypted)
    if where.encrypted and security.tls_ca_file is None:
        raise InputError(
            f"{where}: needs certificates, and Dask's configuration names none; set "
            "distributed.comm.tls (ca-file, client.cert, client.key) in "
            "~/.config/dask/distributed.yaml."
        )
    return security


def _check_workers(client: Any, where: Address) -> None:
    """See that there are workers, and that they have the versions of this side."""
    there = client.run(installation, on_error="return")
    if not there:
        raise InputError(f"{where}: the scheduler has no workers; start one there.")
    here = installation()
    for worker, found in there.items():
        if isinstance(found, Exception):
            said = f"cannot run napari-contrastseg ({found})"
        else:
            said = difference(here, found)
        if said:
            raise InputError(
                f"{where}: worker {worker} {said}; install the same versions on both."
            )
