"""Faults on demand: which requests they affect, and the faults that look the same for every vendor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import NoReturn

from flask import Response, request

from integration_tests.sandbox.vendor import Vendor, answer

PAGE = "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


def _cut() -> NoReturn:
    raise ConnectionAbortedError("the server closes the connection without a response")


def _redirect() -> Response:
    # The same server under another host name, so that the requests sent there, and any key in them, are recorded.
    return answer("", 302, {"Location": f"http://localhost:{request.environ['SERVER_PORT']}/foreign{request.path}"})


INSTEAD: dict[str, Callable[[], Response]] = {
    "500": lambda: answer("Internal Server Error", 500),
    "503-html": lambda: answer(PAGE.format(title="503 Service Temporarily Unavailable"), 503),
    "html": lambda: answer(PAGE.format(title="Scheduled maintenance")),
    "empty-body": lambda: Response(b"", content_type="application/json"),
    "redirect": _redirect,
    "cut": _cut,
}

SECONDS = {"slow": 1.0, "timeout": 30.0}


def _truncated(response: Response) -> Response:
    body = response.get_data()
    response.set_data(body[: len(body) // 2])
    return response


def _cut_body(response: Response) -> Response:
    response.content_length = len(response.get_data()) + 1000
    return response


SPOILED: dict[str, Callable[[Response], Response]] = {"truncated": _truncated, "cut-body": _cut_body}

KINDS = {*INSTEAD, *SECONDS, *SPOILED}


@dataclass
class Fault:
    """A fault of the next `times` requests (-1: all) to a vendor (None: any) for a ticker (None: any)."""

    kind: str
    times: int = 1
    vendor: str | None = None
    ticker: str | None = None

    def fits(self, vendor: Vendor) -> bool:
        """Whether the fault applies to the current request to this vendor."""
        return (
            self.times != 0
            and self.vendor in (None, vendor.name)
            and can_fail(vendor, self.kind)
            and (self.ticker is None or vendor.asks_for(self.ticker))
        )


def can_fail(vendor: Vendor, kind: str) -> bool:
    """Whether a vendor can fail in this way."""
    return kind in KINDS or kind.removesuffix("-retry-after") in vendor.refusals


class Faults:
    """The pending faults, in the order they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()
        self._released = Event()

    def add(self, fault: Fault) -> None:
        """Adds a fault after the pending ones."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Removes all faults, and releases the responses that are being delayed."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = Event()

    def take(self, vendor: Vendor) -> str | None:
        """The kind of fault for the current request, or None. Counts it as used."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.fits(vendor)), None)
            if fault is None:
                return None
            fault.times -= fault.times > 0
            return fault.kind

    def before(self, vendor: Vendor, kind: str) -> Response | None:
        """The response of a fault in the vendor's place; None if the vendor itself responds, perhaps after a delay."""
        if kind in INSTEAD:
            return INSTEAD[kind]()
        if kind in SECONDS:
            self._released.wait(SECONDS[kind])
        if kind in KINDS:
            return None
        response = vendor.refusals[kind.removesuffix("-retry-after")]()
        if kind.endswith("-retry-after"):
            response.headers["Retry-After"] = "2"
        return response
