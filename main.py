"""Runs the connector, as its console script does."""

from source_stock_prices.run import run

if __name__ == "__main__":
    run()
