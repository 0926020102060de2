"""The sandbox's own endpoints, for use from another process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pendulum
from flask import Blueprint, Response, request

from integration_tests.sandbox.vendor import answer, sandbox
from source_stock_prices.sessions import ZONE

DAYS = {"day", "applied", "forgotten", "date"}

control = Blueprint("_sandbox", __name__, url_prefix="/_sandbox")


@control.get("/requests")
def requests() -> Response:
    """The requests received so far."""
    return answer([asked._asdict() for asked in sandbox().requests])


@control.post("/now")
def now() -> Response:
    """Sets the vendors' time: {"now": "2026-11-20T18:00"}, in New York unless it has a zone; null is the real time."""
    return _do(lambda now: setattr(sandbox(), "now", now and pendulum.parse(now, tz=ZONE)))


@control.post("/<any(reset, fail, hide, show, correct, split, rename):method>")
def call(method: str) -> Response:
    """Calls the sandbox's method of this name with the fields of a JSON object as arguments."""
    return _do(getattr(sandbox(), method))


LIES = "misquote, pay, begin, delist, announce, amend, cancel, scale, carry, garble, shorten, restore"


@control.post(f"/book/<any({LIES}):method>")
def tell(method: str) -> Response:
    """Call the book's method of that name with the fields of a JSON object."""
    return _do(getattr(sandbox().book, method))


def _do(command: Callable[..., None]) -> Response:
    arguments = request.get_json(force=True, silent=True) or {}  # `curl -d` calls it a form
    try:
        for name in DAYS & arguments.keys():
            arguments[name] = date.fromisoformat(arguments[name])
        command(**arguments)
    except (KeyError, TypeError, ValueError) as error:
        return answer({"error": str(error)}, 400)
    return answer({})
