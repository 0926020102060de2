"""A pipeline with dlt's `rest_api` source: a resource of tickers, and a resource of bars that depends on it.

Only the extract step runs. It leaves a file of unmodified rows, which is as far as a source goes. Normalizing and
loading them would add to the cost.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source


def source(job: dict[str, Any]) -> Any:
    @dlt.resource(name="tickers", selected=False)
    def tickers() -> Iterator[list[dict[str, str]]]:
        yield [{"ticker": ticker} for ticker in job["tickers"]]

    bars = {
        "name": "stock_prices",
        "write_disposition": "append",
        "include_from_parent": ["ticker"],
        "endpoint": {
            "path": f"v2/aggs/ticker/{{resources.tickers.ticker}}/range/1/day/{job['start']}/{job['end']}",
            "params": {"adjusted": "false", "sort": "asc", "limit": 50000},
            "data_selector": "results",
            "paginator": "single_page",
        },
    }
    client = {"base_url": f"{job['base_url']}/", "auth": {"type": "bearer", "token": "benchmark"}}
    return rest_api_source({"client": client, "resources": [tickers, bars]})


def main(file: str) -> None:
    job = json.loads(Path(file).read_bytes())
    with TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("benchmark", pipelines_dir=folder, destination="dummy")
        info = pipeline.extract(source(job))
        metrics = info.metrics[info.loads_ids[0]][0]["table_metrics"]["stock_prices"]
        sys.stdout.write(f'{{"type":"COUNT","records":{metrics.items_count}}}\n')


if __name__ == "__main__":
    main(sys.argv[1])
