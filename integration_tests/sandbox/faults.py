"""Faults on demand: which requests get one, and those that look the same whoever the vendor is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event, Lock
from typing import NoReturn

from flask import Response, request

from integration_tests.sandbox.vendor import Vendor, answer

PAGE = "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


def _cut() -> NoReturn:
    raise ConnectionAbortedError("the server closes the connection without an answer")


def _redirect() -> Response:
    # This server under another host name: what follows there, key included, is seen in the record of requests.
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

RETRY_AFTER = "-retry-after"


@dataclass
class Fault:
    """What becomes of the next `times` requests to a vendor for a ticker; -1 means all of them, None means any."""

    kind: str
    times: int = 1
    vendor: str | None = None
    ticker: str | None = None

    def fits(self, vendor: Vendor) -> bool:
        """Whether the current request, to this vendor, gets the fault."""
        return (
            self.times != 0
            and self.vendor in (None, vendor.name)
            and can_fail(vendor, self.kind)
            and (self.ticker is None or vendor.asks_for(self.ticker))
        )


def can_fail(vendor: Vendor, kind: str) -> bool:
    """Whether a vendor has an answer for a kind of fault: a refusal may have `-retry-after` behind it, or
    `-retry-after:3500`, in seconds.
    """
    return kind in KINDS or kind.partition(RETRY_AFTER)[0] in vendor.refusals


def kinds(vendors: Iterable[Vendor]) -> list[str]:
    """The kinds of fault that any of the vendors has, those of all vendors last."""
    refusals = {refusal for vendor in vendors for refusal in vendor.refusals}
    return [*sorted(refusals), *sorted(KINDS)]


class Faults:
    """The faults still to come, first come first served."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()
        self._released = Event()

    def add(self, fault: Fault) -> None:
        """Plan a fault behind those planned before."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults, and let go of the answers held back."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = Event()

    def take(self, vendor: Vendor) -> str | None:
        """The kind of fault that the current request gets."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.fits(vendor)), None)
            if fault is None:
                return None
            fault.times -= fault.times > 0
            return fault.kind

    def before(self, vendor: Vendor, kind: str) -> Response | None:
        """The answer that a fault gives in the vendor's place; None when the vendor answers, perhaps later."""
        if kind in INSTEAD:
            return INSTEAD[kind]()
        if kind in SECONDS:
            self._released.wait(SECONDS[kind])
        if kind in KINDS:
            return None
        refusal, retries, seconds = kind.partition(RETRY_AFTER)
        response = vendor.refusals[refusal]()
        if retries:
            response.headers["Retry-After"] = seconds.removeprefix(":") or "2"
        return response
