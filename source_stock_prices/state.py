"""The state, `{"AAPL": {"date": "2026-11-20", "price": 271.49}}`, and every shape it ever had.

Per ticker it holds the last final bar that was emitted, the prints of the bars that are asked for again (`"bars"`), the
`"adjustment"` and `"provider"` they were read with and, as `"since"`, the first day ever read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from logging import Logger
from math import inf
from typing import Any

from airbyte_cdk.models import AirbyteStateMessage, AirbyteStateMessageSerializer, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices import revisions
from source_stock_prices.prints import load, load_market
from source_stock_prices.providers.answer import trim
from source_stock_prices.providers.terms import (
    ALL,
    RAW,
    SPLITS,
    is_market,
)

Seen = dict[str, Any]

FULL_REFRESH_MARKS = {
    "__ab_full_refresh_sync_complete": True,
    "__ab_full_refresh_state_message": True,
    "__ab_no_cursor_state_message": True,
    "sync_mode": "full_refresh",
}
"""What the CDK writes as the state of a stream that was read in full refresh mode: nothing was seen."""


class StateError(AirbyteTracedException):
    """A state that cannot be read. Ignoring it would silently read everything again."""

    def __init__(self, reason: str) -> None:
        sentence = f"The state cannot be read: {reason}. Correct it, or reset the stream to read everything again."
        super().__init__(
            message=sentence,
            internal_message=sentence,
            failure_type=FailureType.config_error,
        )


def messages(state: Any) -> list[AirbyteStateMessage]:
    """The content of a state file as the CDK expects it. Raises StateError.

    Accepts a list of state messages; a single one, also as a whole output line of type STATE; `LEGACY` messages; and
    the plain `{"stock_prices": ...}` that both tutorials wrote.
    """
    if isinstance(state, list):
        found = []
        for part in state:
            found += messages(part)
        return found
    if not isinstance(state, Mapping):
        raise StateError(f"{state!r} is neither an object nor a list")
    is_plain = "type" not in state
    kind = state.get("type")
    if kind == "STATE":
        inner = state.get("state")
        return messages(inner)
    if kind == "LEGACY" or (is_plain and "data" in state):
        inner = state.get("data")
        return messages(inner or {})
    if not is_plain:
        return [_message(state)]
    if "stream" in state:
        return messages({"type": "STREAM", **state})
    found = []
    for stream, value in state.items():
        found += messages(_stream_message(stream, value))
    return found


def _message(state: Mapping[str, Any]) -> AirbyteStateMessage:
    try:
        message = AirbyteStateMessageSerializer.load(dict(state))
    except Exception as error:  # the serializer's errors share no class of their own
        raise StateError(trim(str(error))) from error
    if not message.stream and not message.global_:
        raise StateError("a state message does not name its stream")
    return message


def _stream_message(stream: str, value: Any) -> dict[str, Any]:
    # The second tutorial wrote {"stock_prices": "2020-02-01"}; a message can only carry an object.
    content = value
    if isinstance(value, str):
        content = {"date": value}
    if not isinstance(content, Mapping):
        raise StateError(f"stream {stream!r} has {value!r}, which is neither a date nor an object")
    return {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": stream},
            "stream_state": dict(content),
        },
    }


def read(
    state: Mapping[str, Any],
    tickers: tuple[str, ...],
    logger: Logger,
) -> dict[str, Seen]:
    """What a stream's state holds of each ticker. Raises StateError.

    The tutorials' flat `{"date": "2020-02-01"}` belongs to the one ticker it was written for. With several tickers it
    is ignored with a warning, because reading again is safe.
    """
    entries = {}
    for item in state.items():
        if item not in FULL_REFRESH_MARKS.items():
            key, value = item
            entries[key] = value
    if entries.keys() == {"date"} and isinstance(entries["date"], str):
        return _read_flat(entries["date"], tickers, logger)
    seen = {}
    for ticker, value in entries.items():
        seen[ticker] = _seen(ticker, value)
    return seen


def _read_flat(
    day: str,
    tickers: tuple[str, ...],
    logger: Logger,
) -> dict[str, Seen]:
    _check_day("the date", day)
    if len(tickers) > 1:
        logger.warning(
            f"The state has one date, {day}, for {len(tickers)} tickers and is ignored;"
            " every ticker is read again from the start date."
        )
        return {}
    (ticker,) = tickers
    return {ticker: {"date": day, "price": None}}


def _seen(ticker: str, value: Any) -> Seen:
    if not isinstance(value, Mapping):
        raise StateError(f"{ticker!r} has {value!r}, which is not an object with a date")
    if not is_market(ticker):
        _check_marks(ticker, value)
    if value and value.keys() <= {"failed", "tried", "again"}:
        return dict(value)  # never read, or to be read again
    day = value.get("date")
    _check_day(f"the date of {ticker!r}", day)
    for name in ("since", "asked"):
        _check_day(f"the first day of {ticker!r}", value.get(name, day))
    price = value.get("price")
    if price is not None and not _is_price(price):
        raise StateError(f"the price of {ticker!r} is {price!r}, which is not a number above zero")
    _check_settings(ticker, value)
    _check_prints(ticker, value)
    _check_events(ticker, value)
    return dict(value)


def _check_marks(ticker: str, value: Mapping[str, Any]) -> None:
    for mark in ("failed", "again"):
        if value.get(mark, True) is not True:
            raise StateError(f"{mark!r} of {ticker!r} is {value[mark]!r}, which can only be true")
    if "tried" in value:
        _check_day(f"the day on which {ticker!r} was tried last", value["tried"])


def _check_settings(ticker: str, value: Mapping[str, Any]) -> None:
    adjustment = value.get("adjustment", RAW)
    if adjustment not in (RAW, SPLITS, ALL):
        raise StateError(f"the adjustment of {ticker!r} is {adjustment!r}, which is not {RAW}, {SPLITS} or {ALL}")
    provider = value.get("provider", "unknown")
    if not isinstance(provider, str) or not provider:
        raise StateError(f"the provider of {ticker!r} is {provider!r}, which is not a name")
    if is_market(ticker) and "again" in value:
        _check_day("the day up to which the whole market is to be read again", value["again"])


def _check_events(ticker: str, value: Mapping[str, Any]) -> None:
    try:
        revisions.unpacked(value.get("events", {}), ticker)
    except (AttributeError, ValueError) as error:
        raise StateError(f"the events of {ticker!r} are not prints by day: {trim(str(error))}") from error


def _check_prints(ticker: str, value: Mapping[str, Any]) -> None:
    try:
        if is_market(ticker):
            load_market(value)
        else:
            last = date.fromisoformat(value["date"])
            load(last, value.get("bars", ""))
    except (TypeError, ValueError) as error:
        raise StateError(f"the bars of {ticker!r} cannot be read ({trim(str(error))})") from error


def _is_price(value: Any) -> bool:
    if type(value) not in (int, float):
        return False
    return bool(0 < value < inf)


def _check_day(what: str, value: Any) -> None:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != value:
        raise StateError(f"{what} is {value!r}, which is not a date in the form YYYY-MM-DD")
