"""Imitates the vendors on a local port. Each response is rendered only once, so that rendering is not measured.

The prefix `/{run}/{latency}` before a vendor's path says which run a request counts for and by how many milliseconds
its response is delayed. `/log/{run}` returns how many requests a run made and how long they took. `/sessions/{count}`
returns the latest sessions.
"""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from time import perf_counter

import pendulum
from aiohttp import web

from benchmarks import market
from source_stock_prices import sessions

ALPACA_ROWS = 10_000
"""Maximum number of rows on a page of Alpaca. This server never returns a second page."""


@dataclass
class Log:
    """The requests of one run."""

    requests: int = 0
    first: float = 0
    last: float = 0


LOGS = web.AppKey("logs", dict[str, Log])


@cache
def calendar() -> tuple[date, ...]:
    """Twenty-five years of sessions up to the last final one."""
    last = sessions.last_final(pendulum.now())
    days = (last - timedelta(days=n) for n in range(25 * 365, -1, -1))
    return tuple(day for day in days if sessions.is_session(day))


def window(start: str, end: str) -> tuple[date, ...]:
    """The sessions between two days, both inclusive."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return calendar()[bisect_left(calendar(), first) : bisect_right(calendar(), last)]


async def massive(request: web.Request) -> web.Response:
    part = request.match_info
    return _json(market.massive_bars(part["ticker"], window(part["start"], part["end"])))


async def grouped(request: web.Request) -> web.Response:
    day = request.match_info["day"]
    return _json(market.massive_grouped(date.fromisoformat(day), bool(window(day, day))))


async def alpaca(request: web.Request) -> web.Response:
    asked = request.query
    names, days = tuple(asked["symbols"].split(",")), window(asked["start"][:10], asked["end"][:10])
    if len(names) * len(days) > min(int(asked["limit"]), ALPACA_ROWS):
        raise web.HTTPNotImplemented(text="The response would have more than one page.")
    return _json(market.alpaca_bars(names, days))


async def log(request: web.Request) -> web.Response:
    seen = request.app[LOGS].get(request.match_info["run"], Log())
    return web.json_response({"requests": seen.requests, "seconds": seen.last - seen.first})


async def some_sessions(request: web.Request) -> web.Response:
    return web.json_response([day.isoformat() for day in calendar()[-int(request.match_info["count"]) :]])


@web.middleware
async def count_and_wait(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Counts a request to a vendor, even for an unknown path, and delays the response."""
    if "latency" not in request.match_info:
        return await handler(request)
    seen = request.app[LOGS].setdefault(request.match_info["run"], Log(first=perf_counter()))
    seen.requests += 1
    await asyncio.sleep(int(request.match_info["latency"]) / 1000)
    try:
        return await handler(request)
    finally:
        seen.last = perf_counter()


async def unknown(request: web.Request) -> web.Response:
    sys.stderr.write(f"Unknown path: {request.path_qs}\n")
    return web.json_response({"status": "NOT_FOUND", "message": "Unknown path."}, status=404)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def app() -> web.Application:
    made = web.Application(middlewares=[count_and_wait])
    made[LOGS] = {}
    made.add_routes(
        [
            web.get("/log/{run}", log),
            web.get("/sessions/{count}", some_sessions),
            web.get("/{run}/{latency}/v2/aggs/ticker/{ticker}/range/1/day/{start}/{end}", massive),
            web.get("/{run}/{latency}/v2/aggs/grouped/locale/us/market/stocks/{day}", grouped),
            web.get("/{run}/{latency}/v2/stocks/bars", alpaca),
            web.get("/{run}/{latency}/{rest:.*}", unknown),
        ]
    )
    return made


async def serve() -> None:
    """Serves until the process is terminated. The first line of the output is the port."""
    runner = web.AppRunner(app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    calendar()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
