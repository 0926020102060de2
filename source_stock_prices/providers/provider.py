"""What every vendor's module is: a translator of queries into requests, and of answers into bars.

A provider translates and does nothing else: it never sends, waits, retries, logs or looks at a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from requests import Response

from source_stock_prices.providers.answer import (
    Answer,
    calendar_day,
    number,
    numbers,
    trim,
)
from source_stock_prices.providers.exchanges import EXCHANGES
from source_stock_prices.providers.mend import (
    NO_BAR,
    NO_CLOSE,
    NO_DATE,
    NO_OBJECT,
    NO_TICKER,
    Loss,
    check,
    mend,
)
from source_stock_prices.providers.terms import (
    ALL,
    ANY,
    MISREAD,
    USD,
    Bar,
    Drop,
    Fields,
    Kind,
    Problem,
    Query,
    Request,
    Row,
    Rows,
    Rule,
    of_market,
)
from source_stock_prices.secrecy import mask
from source_stock_prices.sessions import NEW_YORK

CURRENCY = re.compile("[A-Z]{3}|[a-z]{3}")

HUNDREDTHS = ("ZAC", "ILA")
"""Units of exchanges that look like a currency's code: the cents of Johannesburg, the agorot of Tel Aviv."""

SUSPENDED = Rule(
    None,
    "suspended",
    Kind.BAD_CREDENTIALS,
    fix="A new key does not help a suspended account: ask the vendor's support.",
)
"""A rule that several vendors share."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One market data API. The fields of a subclass are its settings in the config, required unless they default."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str]
    key_url: ClassVar[str]
    adjustments: ClassVar[tuple[str, ...]]
    adjustment_words: ClassVar[Mapping[str, str]] = {}
    """The vendor's word for an adjustment, where it has one of its own."""

    free_requests_per_minute: ClassVar[int | None] = None
    free_requests_per_hour: ClassVar[int | None] = None
    free_calls_per_day: ClassVar[int | None] = None
    tickers_per_request: ClassVar[int] = 1
    charges_by_ticker: ClassVar[bool] = False
    """Whether a request for many tickers counts as many requests of the plan."""

    bars_per_request: ClassVar[int | None] = None
    """The bars, of all tickers together, up to which a request is charged once: each further page costs again."""

    bars_per_page: ClassVar[int | None] = None
    """The bars, of all tickers together, that one page of a query has; None where a history is one page."""

    calls_by_date: ClassVar[int | None] = None
    """What a request for every ticker's bar of a day costs, in calls of the plan; None where there is no such request.

    One for the bars of a ticker costs one call.
    """

    key_in_headers: ClassVar[Mapping[str, str]] = {}
    """The headers that carry the key, of a vendor that takes it there: settings in braces, "Bearer {api_key}"."""

    key_in_params: ClassVar[Mapping[str, str]] = {}
    """The parameters that carry the key, in the same way, of a vendor that takes it only in the query."""

    bars_template: ClassVar[Request]
    """The request for the bars of a query: a path below `base_url`, and parameters, with what `fill` puts in braces."""

    reference_template: ClassVar[Request | None] = None
    """The request for what the vendor knows of a `{ticker}`, where an empty list of bars does not tell."""

    class_dot: ClassVar[str] = ""
    """A pattern of the dot before the class of a share, of a vendor that writes a hyphen: BRK-B is BRK.B."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    """The vendor's error table: the first rule that fits counts, so the exact ones stand before the vague."""

    error_keys: ClassVar[tuple[str, ...]] = ()
    """Where the vendor's words are in the JSON of a refusal. Otherwise the body itself is what it says."""

    containers: ClassVar[Mapping[str, type]] = {}
    """The keys under which an answer has rows, and the JSON type there. Otherwise the whole JSON is a list of rows."""

    date_field: ClassVar[str] = "date"
    """The field of a row that holds its day, as a text that begins with YYYY-MM-DD."""

    fields: ClassVar[Mapping[str, Fields]] = {}
    """For each adjustment, where the numbers of a bar are in a row."""

    optional_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that some rows lack: null without a word."""

    currency_field: ClassVar[str] = "currency"
    """The field of a row that holds the currency of its prices, of a vendor that tells it."""

    adjusts_close_only: ClassVar[bool] = False
    """Whether of fully adjusted prices only the close is sent: the others are scaled here as it is."""

    exchange_suffix: ClassVar[str] = ""
    """A pattern of what ends a ticker, in the vendor's spelling, and names its exchange in a group: of VOW3.XETRA."""

    ignores_window: ClassVar[bool] = False
    """Whether answers have bars outside the window: those are passed over."""

    base_url: str

    # What is asked

    def request(self, query: Query) -> Request:
        """The first request for a query."""
        return self.ask(self.bars_template, query)

    def is_by_date(self, query: Query) -> bool:
        """Whether a query is answered with a session of many tickers."""
        if self.calls_by_date is not None and len(query.tickers) > self.tickers_per_request:
            return True
        return of_market(query.tickers)

    def calls(self, query: Query) -> int:
        """What the first page of a query costs, in calls of the plan."""
        if self.is_by_date(query):
            return self.calls_by_date or 1
        return len(query.tickers) if self.charges_by_ticker else 1

    def pages(self, query: Query, bars: int | None) -> int:
        """How many pages so many bars of a query are; one where nobody knows how many there are."""
        if bars is None or self.bars_per_page is None or self.is_by_date(query):
            return 1
        return max(1, ceil(bars / self.bars_per_page))

    def next_request(self, answer: Answer) -> Request | None:
        """The request for the next page, where the vendor pages. It never leaves `base_url`'s host."""
        return None

    def reference_request(self, ticker: str) -> Request | None:
        """A request for what the vendor knows of a ticker, where an empty list of bars does not tell."""
        if self.reference_template is None:
            return None
        return self.fill(self.reference_template, (ticker,))

    def ask(self, template: Request, query: Query, **words: str) -> Request:
        """The request that a template describes for a query: `start`, `end` and `adjustment` are words for it too."""
        adjustment = self.adjustment_words.get(query.adjustment, query.adjustment)
        return self.fill(
            template,
            query.tickers,
            start=str(query.start),
            end=str(query.end),
            adjustment=adjustment,
            **words,
        )

    def fill(self, template: Request, tickers: Sequence[str], **words: str) -> Request:
        """The request that a template describes, with the key. A parameter that comes out empty is left out.

        Braces hold one of `words`, a setting, or the tickers in the vendor's spelling: `{ticker}` where there is only
        one, `{tickers}` joined by commas. In the path they are escaped. Raises KeyError for what is none of these.
        """
        words = {**vars(self), **words}
        words["tickers"] = ",".join(map(self.spelling, tickers))
        if len(tickers) == 1:
            words["ticker"] = words["tickers"]
        escaped = {name: quote(word, safe="") for name, word in words.items()}
        path = template.url.format(**escaped)
        params = _filled(template.params, words)
        given = {name: text for name, text in params.items() if text}
        return self.get(self.base_url + path, given)

    def again(self, answer: Answer, **params: str) -> Request:
        """The request of an answer with some parameters changed, which is how most vendors page."""
        return self.get(answer.address, {**answer.params, **params})

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Request:
        """A request with the key."""
        return Request(
            url,
            {**(params or {}), **self.key_params()},
            self.key_headers(),
        )

    def key_headers(self) -> Mapping[str, str]:
        """The headers that carry the key."""
        return _filled(self.key_in_headers, vars(self))

    def key_params(self) -> Mapping[str, str]:
        """The parameters that carry the key."""
        return _filled(self.key_in_params, vars(self))

    def spelling(self, ticker: str) -> str:
        """The vendor's spelling of a ticker."""
        if not self.class_dot:
            return ticker
        return re.sub(self.class_dot, "-", ticker)

    def ticker(self, spelling: str) -> str:
        """How a user writes a ticker of the vendor's: the opposite of `spelling`, for vendors with `calls_by_date`."""
        return spelling

    # What is wrong

    def problem(self, answer: Answer) -> Problem | None:
        """What is wrong with an answer. Asked of every answer, 200 included, before anything else."""
        if answer.status == 200 and self.has_rows(answer):
            return None
        said = self.words(answer)
        if said is None:
            return classify(answer, answer.text, ())
        return classify(answer, said, self.rules)

    def has_rows(self, answer: Answer) -> bool:
        """Whether an answer with status 200 has the container of the vendor's rows, even an empty one."""
        for key, kind in self.containers.items():
            if isinstance(answer.get(key), kind):
                return True
        return not self.containers and isinstance(answer.json, list)

    def words(self, answer: Answer) -> str | None:
        """What the vendor says in a refusal; None for a body that is not its own, whose phrases mean nothing."""
        return answer.text_at(*self.error_keys) or answer.text

    def refused(self, answer: Answer, query: Query) -> Mapping[str, Problem]:
        """The tickers of a batch that an answer refuses beside the bars of the others."""
        return {}

    # What is there: only asked of an answer without a problem

    def parse(self, answer: Answer, query: Query, drop: Drop) -> list[Bar]:
        """The bars of an answer, in the vendor's order, under the query's spelling of the ticker.

        A row that cannot be read is left out, a number beside the close that is none is None, and `drop` is told.
        Raises one of MISREAD for an answer of which more than half, or the container of the rows, cannot be read.
        """
        read = self.bar
        bars: list[Bar] = []
        losses: list[Loss] = []
        for row in self.rows(answer, query):
            try:
                bar = read(row, query)
            except MISREAD:
                before = bars[-1] if bars else None
                bar = self._mended(row, query, before, losses)
            if bar is not None:
                bars.append(bar)
        if losses:
            check(losses, sum(1 for _ in self.rows(answer, query)))
        for loss in losses:
            drop(*loss)
        return bars

    def rows(self, answer: Answer, query: Query) -> Rows:
        """The rows of an answer. In one about several tickers, each is a pair: the query's ticker, and the row.

        The ticker is empty where a row does not tell.
        """
        rows: Rows = answer.json
        return rows

    def bar(self, row: Row, query: Query) -> Bar | None:
        """A row as a bar; None for one that is no bar of the query's.

        Raises one of MISREAD for a row that is not as it should be in every field.
        """
        if isinstance(row, tuple):
            ticker, row = row
        else:
            ticker = query.ticker
        if not ticker:
            raise ValueError(NO_TICKER)
        day = self.day(row)
        if self.ignores_window and not query.start <= day <= query.end:
            return None
        fields = self.fields[query.adjustment]
        values = [row[name] if name else None for name in fields]
        currency = self.currency(ticker)
        if self.currency_field in row:
            currency = currency_code(row[self.currency_field])
        bar = Bar._make((ticker, day, *numbers(values), currency))
        if self.adjusts_close_only and query.adjustment == ALL:
            return in_proportion(bar)
        return bar

    def day(self, row: Row) -> date:
        """The exchange's day of a row. Raises one of MISREAD."""
        return calendar_day(row[self.date_field])

    def _mended(self, row: Row, query: Query, before: Bar | None, losses: list[Loss]) -> Bar | None:
        """What can be read of a row that `bar` raised on; what cannot is put into `losses`.

        A row that tells nothing of itself is named by the bar before it.
        """
        alone = query.tickers[0] if len(query.tickers) == 1 else ""
        ticker, cells = row if isinstance(row, tuple) else (alone, row)
        if not isinstance(cells, dict):
            ticker = ticker or alone.strip(ANY)
            if before is None or ticker:
                losses.append(Loss(ticker, None, NO_OBJECT))
            else:
                losses.append(Loss(f"after {before.ticker}", before.date, NO_OBJECT))
            return None
        try:
            day = self.day(cells)
        except MISREAD:
            losses.append(Loss(ticker, None, NO_DATE))
            return None
        if self.ignores_window and not query.start <= day <= query.end:
            return None
        mended = mend(cells, self.fields[query.adjustment], self.optional_fields)
        try:
            bar = mended and self.bar((ticker, mended.row), query)
        except MISREAD:
            losses.append(Loss(ticker, day, NO_BAR if ticker else NO_TICKER))
            return None
        if not mended or not bar or bar.close is None:
            losses.append(Loss(ticker, day, NO_CLOSE))
            return None
        losses += [Loss(ticker, day, reason, field) for field, reason in mended.reasons.items()]
        return bar

    def notice(self, answer: Answer, query: Query) -> str:
        """What the user should know of an answer: bars that the vendor says it left out."""
        return ""

    def market_rows(self, answer: Answer) -> tuple[int, int | None]:
        """How many rows an answer about the whole market has, and how many the vendor says it has; None where it does
        not. Asked of vendors with `calls_by_date`.
        """
        return len(answer.json), None

    def is_listed(self, answer: Answer) -> bool:
        """Whether an answer to `reference_request` has the ticker. An empty object or list does not."""
        return bool(answer.json)

    @property
    def is_of_one_venue(self) -> bool:
        """Whether bars are made of the trades of one exchange, whose volume says nothing of the whole market's."""
        return False

    @property
    def origin(self) -> str:
        """The provider as the state names it: with the exchange of tickers that name none, where that is a setting."""
        return self.name

    # Facts that depend on the ticker, and the vendor without a network

    def exchange_of(self, ticker: str) -> str | None:
        """The exchange of a ticker, by its MIC: XNYS for all of the United States; None where it is not known.

        With `*` it is that of the whole market.
        """
        suffix = re.search(self.exchange_suffix, self.spelling(ticker)) if self.exchange_suffix else None
        return EXCHANGES.get(suffix[1]) if suffix else NEW_YORK

    def is_same_listing(self, ticker: str, other: Provider) -> bool:
        """Whether a ticker is known to mean the same listing to another provider: on the same exchange."""
        exchange = self.exchange_of(ticker)
        return exchange is not None and exchange == other.exchange_of(ticker) and not other.objection(ticker)

    def name_in_rows(self, ticker: str) -> str:
        """What a row says of its ticker, of which a request for several must not have two alike."""
        return ticker

    def market_of(self, ticker: str) -> str:
        """What stands for every ticker of the market that a request by date would find a ticker in."""
        return ANY

    def objection(self, ticker: str) -> str:
        """Why a ticker of the vendor's is not served here, in a sentence; empty where it is."""
        return ""

    def currency(self, ticker: str) -> str | None:
        """The currency of a ticker's prices, as an ISO 4217 code or GBX for pence, where its spelling tells it.

        What an answer tells of it counts more.
        """
        return USD if self.exchange_of(ticker) == NEW_YORK else None

    def respond(self, request: Request) -> Response | None:
        """The response to a request, of a provider that is its own vendor and needs no network."""
        return None


def currency_code(text: Any) -> str | None:
    """A vendor's word for a currency as an ISO 4217 code, or GBX; None for another unit, such as a hundredth."""
    if text in ("GBp", "GBX", "gbx"):
        return "GBX"
    if not isinstance(text, str) or not CURRENCY.fullmatch(text):
        return None
    code = text.upper()
    if code in HUNDREDTHS:
        return None
    return code


def in_proportion(bar: Bar) -> Bar:
    """A bar as traded with its prices scaled as its close is adjusted, in ten digits; a low that is the close stays it.

    A price is None where there is nothing to scale by. The volume stays as it is.
    """
    close, adjusted = bar.close, bar.adjusted_close

    def scaled(price: float | None) -> float | None:
        if price is None or not close or not adjusted:
            return None
        if price == close:
            return adjusted
        return number(f"{price * (adjusted / close):.10g}")

    return bar._replace(
        open=scaled(bar.open),
        high=scaled(bar.high),
        low=scaled(bar.low),
        close=adjusted,
    )


def _filled(texts: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    """Texts with words in the place of their names in braces."""
    filled = {}
    for name, text in texts.items():
        filled[name] = text.format(**words)
    return filled


def classify(answer: Answer, said: str, rules: Iterable[Rule]) -> Problem:
    """The problem of an answer that is not the expected container: the first rule that fits, else by status alone."""
    rule = _rule_for(answer.status, said, rules)
    if 300 <= answer.status < 400 and not said:
        said = f"a redirect to {_host(answer.headers.get('Location', ''))}"
    return Problem(
        rule.kind,
        trim(said, 2000),
        _wait(answer, rule),
        rule.fix,
    )


def _host(link: str) -> str:
    try:
        return urlsplit(mask(link)).netloc
    except ValueError:
        return "what is no address"


def _rule_for(status: int, said: str, rules: Iterable[Rule]) -> Rule:
    said = said.lower()
    for rule in rules:
        status_fits = rule.status in (None, status)
        if status_fits and rule.phrase.lower() in said:
            return rule
    return Rule(status, "", _kind_of_status(status))


def _wait(answer: Answer, rule: Rule) -> float | None:
    wait = answer.retry_after or rule.wait
    if wait is None and rule.period:
        elapsed = (answer.sent_at or 0) % rule.period
        return rule.period - elapsed
    return wait


def _kind_of_status(status: int) -> Kind:
    if status == 429:
        return Kind.THROTTLED
    if status == 401:
        return Kind.BAD_CREDENTIALS
    if status == 408 or status >= 500:
        return Kind.UNAVAILABLE
    return Kind.UNREADABLE
