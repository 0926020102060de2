"""The lower limit: a loop that sends requests, decodes responses and writes one line per bar, and does nothing else.

The lines are the connector's own records. There is no state, no retry and no check, so only the cost of HTTP and JSON
remains.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from time import time_ns

import orjson
import requests


def main(file: str) -> None:
    job = orjson.loads(Path(file).read_bytes())
    session = requests.Session()
    session.headers["Authorization"] = "Bearer benchmark"
    write = sys.stdout.buffer.write
    days: dict[int, str] = {}
    for ticker in job["tickers"]:
        response = session.get(
            f"{job['base_url']}/v2/aggs/ticker/{ticker}/range/1/day/{job['start']}/{job['end']}",
            params={"adjusted": "false", "sort": "asc", "limit": "50000"},
            timeout=60,
        )
        response.raise_for_status()
        now = time_ns() // 1_000_000
        for row in orjson.loads(response.content)["results"]:
            at = row["t"]
            if at not in days:
                days[at] = datetime.fromtimestamp(at / 1000, timezone.utc).date().isoformat()
            data = {
                "date": days[at],
                "stock_ticker": ticker,
                "price": row["c"],
                "open": row["o"],
                "high": row["h"],
                "low": row["l"],
                "close": row["c"],
                "volume": row["v"],
                "vwap": row["vw"],
                "trade_count": row["n"],
                "adjusted_close": None,
                "dividend": None,
                "split_factor": None,
                "currency": "USD",
                "adjustment": "raw",
                "provider": "massive",
            }
            record = {"stream": "stock_prices", "data": data, "emitted_at": now}
            write(orjson.dumps({"type": "RECORD", "record": record}, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main(sys.argv[1])
