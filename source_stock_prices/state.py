"""The state, `{"AAPL": {"date": "2026-11-20", "price": 271.49}}`, and every shape it ever had.

Per ticker it holds the last final bar that was emitted. Of adjusted prices, whose history can be rewritten, it holds
their `"adjustment"` too, and as `"since"` the first day ever read.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import date
from logging import Logger
from math import inf
from typing import Any

from airbyte_cdk.models import AirbyteStateMessage, AirbyteStateMessageSerializer, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import revisions
from source_stock_prices.prints import load, load_market
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.terms import ALL, ANY, RAW, SPLITS

Seen = MutableMapping[str, Any]

FULL_REFRESH_MARKS = {
    "__ab_full_refresh_sync_complete": True,
    "__ab_full_refresh_state_message": True,
    "__ab_no_cursor_state_message": True,
    "sync_mode": "full_refresh",
}
"""What the CDK writes as the state of a stream that was read in full refresh mode: nothing was seen."""


class StateError(AirbyteTracedException):
    """A state that cannot be read. Reading everything again in silence would hide it."""

    def __init__(self, what: str) -> None:
        sentence = f"The state cannot be read: {what}. Correct it, or reset the stream to read everything again."
        super().__init__(message=sentence, internal_message=sentence, failure_type=FailureType.config_error)


def messages(state: Any) -> list[AirbyteStateMessage]:
    """The content of a state file as the CDK wants it, whatever it was wrapped in.

    Known shapes: a list of state messages; one alone, also as a whole output line of type STATE; `LEGACY` messages; and
    the plain `{"stock_prices": ...}` that both tutorials wrote.
    """
    if isinstance(state, list):
        return [message for part in state for message in messages(part)]
    if not isinstance(state, Mapping):
        raise StateError(f"{state!r} is neither an object nor a list")
    if state.get("type") == "STATE":
        return messages(state.get("state"))
    if state.get("type") == "LEGACY" or ("data" in state and "type" not in state):
        return messages(state.get("data") or {})
    if "type" not in state and "stream" in state:
        return messages({"type": "STREAM", **state})
    if "type" not in state:
        return [message for stream, value in state.items() for message in messages(_stream_message(stream, value))]
    try:
        message = AirbyteStateMessageSerializer.load(dict(state))
    except Exception as error:  # the serializer's errors share no class of their own
        raise StateError(trim(str(error))) from error
    if not message.stream and not message.global_:
        raise StateError("a state message names no stream")
    return [message]


def _stream_message(stream: str, value: Any) -> dict[str, Any]:
    # The second tutorial wrote {"stock_prices": "2020-02-01"}; a message can only carry an object.
    blob = {"date": value} if isinstance(value, str) else value
    if not isinstance(blob, Mapping):
        raise StateError(f"{value!r} of stream {stream!r} is neither a date nor an object")
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": dict(blob)}}


def read(state: Mapping[str, Any], tickers: tuple[str, ...], logger: Logger) -> dict[str, Seen]:
    """What was seen of each ticker, from a stream's state; raises StateError.

    The tutorials' flat `{"date": "2020-02-01"}` belongs to the one ticker it was written for: with several, it is
    ignored with a warning, since reading again is safe.
    """
    state = {key: value for key, value in state.items() if (key, value) not in FULL_REFRESH_MARKS.items()}
    if set(state) == {"date"} and isinstance(state["date"], str):
        day = _day("date", state["date"])
        if len(tickers) == 1:
            return {tickers[0]: {"date": day, "price": None}}
        logger.warning(f"The state has one date ({day}) for all tickers. It is ignored: every ticker is read anew.")
        return {}
    return {ticker: _seen(ticker, seen) for ticker, seen in state.items()}


def _seen(ticker: str, value: Any) -> Seen:
    if not isinstance(value, Mapping):
        raise StateError(f"{value!r} of {ticker!r} is not an object with a date")
    for mark in ("failed", "again"):
        if mark in value and value[mark] is not True:
            raise StateError(f"{mark!r} of {ticker!r} can only be true")
    if value and value.keys() <= {"failed", "again"}:
        return dict(value)  # never read, or to be read again
    _day(ticker, value.get("date"))
    _day(ticker, value.get("since", value["date"]))
    price = value.get("price")
    if price is not None and not (type(price) in (int, float) and 0 < price < inf):
        raise StateError(f"the price {price!r} of {ticker!r} is not a number above zero")
    _check_settings(ticker, value)
    _check_prints(ticker, value)
    _check_events(ticker, value)
    seen = dict(value)
    if ticker == ANY:
        seen.setdefault("adjustment", RAW)  # older versions wrote the others only
    return seen


def _check_settings(ticker: str, value: Mapping[str, Any]) -> None:
    adjustment = value.get("adjustment", RAW)
    if adjustment not in (RAW, SPLITS, ALL):
        raise StateError(f"the adjustment {adjustment!r} of {ticker!r} is not {RAW}, {SPLITS} or {ALL}")
    provider = value.get("provider", "unknown")
    if not isinstance(provider, str) or not provider:
        raise StateError(f"the provider {provider!r} of {ticker!r} is not a name")


def _check_events(ticker: str, value: Mapping[str, Any]) -> None:
    try:
        revisions.unpacked(value.get("events", {}), ticker)
    except (AttributeError, ValueError) as error:
        raise StateError(f"the events of {ticker!r} are not prints by day: {trim(str(error))}") from error


def _check_prints(ticker: str, value: Mapping[str, Any]) -> None:
    try:
        if ticker == ANY:
            load_market(value)
        else:
            load(date.fromisoformat(value["date"]), value.get("bars", ""))
    except (TypeError, ValueError) as error:
        raise StateError(f"the bars of {ticker!r} cannot be read ({trim(str(error))})") from error


def _day(what: str, value: Any) -> str:
    try:
        if date.fromisoformat(value).isoformat() == value:
            return str(value)
    except (TypeError, ValueError):
        pass
    raise StateError(f"{value!r} of {what!r} is not a date (YYYY-MM-DD)")
