"""How much a response may hold, and how long it may take: what is beyond that is cut off."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.call_rate import APIBudget, LimiterSession
from requests import Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from source_stock_prices.providers.answer import Answer

MAX_BYTES = 100_000_000
"""What a body may hold once it is decompressed. A day of the whole market is some 15 MB."""

MAX_SECONDS = 600.0
"""How long a whole response may take. That a byte comes now and then does not prolong it."""

CHUNK_BYTES = 1 << 16

CONNECTIONS = 40
"""Connections kept open: as many as there can be workers."""


class Deadline:
    """Ends what takes too long: it cuts the connection that a thread waits for, which then reads no further.

    A thread has one connection in use at a time. The watch over all of them is one more thread, begun with the first.
    """

    def __init__(self) -> None:
        self._in_use: dict[int, tuple[Any, Any, float]] = {}
        self._cut: set[int] = set()
        self._allowed: dict[int, float] = {}
        self._lock = threading.Lock()
        self._watch: threading.Thread | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Meanwhile, a response that this thread waits for may take no longer."""
        thread = threading.get_ident()
        self._allowed[thread] = seconds
        try:
            yield
        finally:
            del self._allowed[thread]

    @property
    def seconds(self) -> float:
        """How long a response may take that this thread waits for."""
        return self._allowed.get(threading.get_ident(), MAX_SECONDS)

    def watch(self, connection: Any) -> None:
        """This thread uses a connection from now on. Its time counts from the first call before `is_cut`."""
        thread = threading.get_ident()
        with self._lock:
            _, _, until = self._in_use.get(thread, (None, None, time.monotonic() + self.seconds))
            # A connection lets go of its socket before the last response on it was read.
            self._in_use[thread] = connection, connection.sock, until
            if self._watch is None:
                self._watch = threading.Thread(target=self._cut_what_is_late, name="deadline", daemon=True)
                self._watch.start()

    def is_cut(self) -> bool:
        """Whether the response that this thread waited for took too long. Its time is over in any case."""
        thread = threading.get_ident()
        with self._lock:
            self._in_use.pop(thread, None)
            was_cut = thread in self._cut
            self._cut.discard(thread)
            return was_cut

    def _cut_what_is_late(self) -> None:
        pause = threading.Event()
        while not pause.wait(min(MAX_SECONDS / 100, 1)):
            now = time.monotonic()
            with self._lock:
                for thread, (connection, last_socket, until) in self._in_use.items():
                    used = connection.sock or last_socket
                    if now < until or used is None:
                        continue
                    self._cut.add(thread)
                    with suppress(OSError):
                        socket.socket.shutdown(used, socket.SHUT_RDWR)


DEADLINE = Deadline()


class Watched:
    """A connection whose response has a deadline, from the first byte sent to the last one received."""

    if TYPE_CHECKING:
        sock: Any

    def connect(self) -> None:
        DEADLINE.watch(self)
        super().connect()  # type: ignore[misc]

    def getresponse(self) -> Any:
        DEADLINE.watch(self)
        return super().getresponse()  # type: ignore[misc]


class WatchedHTTPConnection(Watched, HTTPConnection):
    """Without TLS."""


class WatchedHTTPSConnection(Watched, HTTPSConnection):
    """With TLS."""


class WatchedHTTPPool(HTTPConnectionPool):
    ConnectionCls = WatchedHTTPConnection


class WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = WatchedHTTPSConnection


POOLS = {"http": WatchedHTTPPool, "https": WatchedHTTPSPool}


class WatchedAdapter(HTTPAdapter):
    """Sends on watched connections, through a proxy as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if isinstance(manager, ProxyManager):  # that of a SOCKS proxy has connections of its own
            manager.pool_classes_by_scheme = POOLS
        return manager


class Bounded:
    """The body of a response, decompressed, up to MAX_BYTES."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Its parts. Raises ContentDecodingError where they are too much.

        `read1` takes what has come. urllib3's own stream would wait for a whole chunk, and its size may be any number.
        """
        size = 0
        while part := self._raw.read1(CHUNK_BYTES, decode_content=True):
            size += len(part)
            if size > MAX_BYTES:
                raise exceptions.ContentDecodingError(f"the response is larger than {MAX_BYTES // 1_000_000} MB")
            yield part


def receive(response: Response, *_: Any, **__: Any) -> None:
    """Reads a response within its bounds, before anything looks at it. Raises RequestException.

    It stands where requests calls it with each response, redirects included.
    """
    raw = response.raw
    response.raw = Bounded(raw)
    try:
        response.content  # noqa: B018  # read now, and kept
    except exceptions.RequestException:
        response.close()
        raise
    except (ValueError, HTTPException, HTTPError) as error:
        response.close()
        raise exceptions.ChunkedEncodingError(error) from error
    finally:
        response.raw = raw
    if DEADLINE.is_cut():
        response.close()
        raise exceptions.ReadTimeout(late())
    if response.is_redirect:
        # None is followed. requests would prepare the request for it all the same, whatever the address is.
        Answer.of(response)
        response.headers = response.headers.copy()
        del response.headers["Location"]


def late() -> str:
    return f"no complete response within {DEADLINE.seconds:.0f} seconds"


def session(budget: APIBudget | None) -> LimiterSession:
    """A session of the CDK's whose responses have bounds."""
    bounded = LimiterSession(api_budget=budget or APIBudget(policies=[]))
    adapter = WatchedAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    for scheme in POOLS:
        bounded.mount(f"{scheme}://", adapter)
    bounded.hooks["response"].append(receive)
    return bounded
