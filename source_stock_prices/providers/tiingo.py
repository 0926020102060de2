"""Tiingo. Reference: https://www.tiingo.com/documentation/end-of-day"""

from dataclasses import dataclass, field

from source_stock_prices.providers.answer import Answer
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ALL, RAW, Fields, Kind, Request, Rule
from source_stock_prices.sessions import NEW_YORK

RULES = (
    # {"detail":"Please supply a token"}, with 403 · {"detail":"Invalid token."}
    Rule(None, "supply a token", Kind.BAD_CREDENTIALS),
    Rule(None, "invalid token", Kind.BAD_CREDENTIALS),
    # {"detail":"Error: You have run over your hourly request allocation. Please upgrade at ..."}, renewed on the hour
    Rule(None, "hourly request allocation", Kind.THROTTLED, period=3600),
    # ... "your daily request allocation" · 200 and plain text: "You have run over your 500 symbol look up for this
    # month. Please upgrade at ..."
    Rule(None, "daily request allocation", Kind.QUOTA_SPENT, fix="The request quota resets tomorrow."),
    Rule(None, "symbol look up", Kind.QUOTA_SPENT, fix="The quota of different tickers resets next month."),
    # {"detail":"Error: You have run over your monthly bandwidth allocation. Please upgrade at ..."}
    Rule(None, "monthly bandwidth allocation", Kind.QUOTA_SPENT, fix="The bandwidth of the plan resets next month."),
    Rule(None, "run over", Kind.QUOTA_SPENT),
    # {"detail":"Error: Ticker 'ZZZZ' not found"} · {"detail":"Not found."}
    Rule(404, "not found", Kind.UNKNOWN_TICKER),
    # {"detail":"You do not have permission to access the ... API"}
    Rule(403, "permission", Kind.NOT_ENTITLED),
)

AS_TRADED = Fields(
    adjusted_close="adjClose",
    dividend="divCash",
    split_factor="splitFactor",
)
ADJUSTED = AS_TRADED._replace(
    open="adjOpen",
    high="adjHigh",
    low="adjLow",
    close="adjClose",
    volume="adjVolume",
)


@dataclass(frozen=True, kw_only=True)
class Tiingo(Provider):
    """Bars of one ticker a request, with raw and fully adjusted prices, dividend and split in every row."""

    name = "tiingo"
    title = "Tiingo"
    key_url = "https://www.tiingo.com/account/api/token"
    free_requests_per_hour = 50
    free_calls_per_day = 1_000
    adjustments = (RAW, ALL)
    key_in_headers = {"Authorization": "Token {api_key}"}
    rules = RULES
    error_keys = ("detail",)
    fields = {RAW: AS_TRADED, ALL: ADJUSTED}
    class_dot = r"\."
    bars_template = Request(
        "/tiingo/daily/{ticker}/prices",
        {"startDate": "{start}", "endDate": "{end}", "format": "json"},
    )
    reference_template = Request("/tiingo/daily/{ticker}")

    api_key: str = field(repr=False)
    base_url: str = "https://api.tiingo.com"

    def exchange_of(self, ticker: str) -> str:
        return "XSHG" if ticker.isdigit() else NEW_YORK  # 600519

    def has_rows(self, answer: Answer) -> bool:
        return super().has_rows(answer) or bool(answer.text_at("ticker"))

    def words(self, answer: Answer) -> str | None:
        # A proxy's HTML page for a 404 says "Not Found" as well; only the monthly quota is refused in plain text.
        if answer.status == 200 or answer.text_at("detail"):
            return super().words(answer)
        return None
