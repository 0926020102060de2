"""What syncs cost in calls of the provider's plan, and how long that takes, before they are made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import NamedTuple

from source_stock_prices.config import Config
from source_stock_prices.errors import counted


class Cost(NamedTuple):
    """What one stream costs in calls: its first sync, and one on each day after that.

    Of prices, every page of a history counts, as if each ticker had traded since the start; of others, the first one.
    """

    stream: str
    first: int
    daily: int


def lines(costs: Sequence[Cost], config: Config) -> Iterator[str]:
    """A sentence for each stream, and one for all of them together."""
    for cost in costs:
        yield line(cost, config)
    if len(costs) > 1:
        yield line(_together(costs), config)


def line(cost: Cost, config: Config) -> str:
    """What one stream costs."""
    first = _priced(cost.first, config)
    daily = _priced(cost.daily, config)
    tickers = "the whole market" if config.market else counted(len(config.tickers), "ticker")
    return f"{cost.stream}: a first sync of {tickers} costs {first}, a daily one {daily}."


def shortfall(costs: Sequence[Cost], config: Config) -> str | None:
    """What to do where a free plan has fewer calls a day than some streams need; None where it has enough.

    None for a whole market, too, of which no ticker waits for its turn.
    """
    provider = config.provider
    quota = provider.free_calls_per_day
    daily = _together(costs).daily
    if quota is None or daily <= quota or config.market:
        return None
    return (
        f"A free {provider.title} plan has {quota:,} calls a day, and a daily sync of every stream costs {daily:,}:"
        f" each ticker has its turn every {ceil(daily / quota)} days. Select fewer streams or tickers, or upgrade."
    )


def _together(costs: Iterable[Cost]) -> Cost:
    first = 0
    daily = 0
    for cost in costs:
        first += cost.first
        daily += cost.daily
    return Cost("all streams", first, daily)


def _priced(count: int, config: Config) -> str:
    """So many calls, with the time that they take where the pace is known."""
    provider = config.provider
    price = counted(count, "call")
    if config.requests_per_minute:
        pace = config.requests_per_minute
        return f"{price} ({_time(count / pace)} at {pace:,} a minute)"
    if provider.free_requests_per_minute:
        pace = provider.free_requests_per_minute
        return f"{price} ({_time(count / pace)} at a free plan's {pace:,} a minute)"
    if provider.free_requests_per_hour and count > provider.free_requests_per_hour:  # no more are sent at once
        pace = provider.free_requests_per_hour
        return f"{price} ({_time(count / pace * 60)} at a free plan's {pace:,} an hour)"
    return price


def _time(minutes: float) -> str:
    if minutes > 120:
        return counted(round(minutes / 60), "hour")
    return counted(ceil(minutes), "minute")
