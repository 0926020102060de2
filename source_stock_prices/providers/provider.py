"""What every vendor's module is: a translator of queries into requests, and of answers into bars.

A provider translates and does nothing else: it never sends, waits, retries, logs or looks at a clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from requests import Response

from source_stock_prices.providers.answer import (
    Answer,
    calendar_day,
    numbers,
    trim,
)
from source_stock_prices.providers.terms import (
    Bar,
    Fields,
    Kind,
    Problem,
    Query,
    Request,
    Rule,
)


@dataclass(frozen=True, kw_only=True)
class Provider(ABC):
    """One market data API. The fields of a subclass are its settings in the config, required unless they default."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str]
    key_url: ClassVar[str]
    adjustments: ClassVar[tuple[str, ...]]
    free_requests_per_minute: ClassVar[int | None] = None
    tickers_per_request: ClassVar[int] = 1
    charges_by_ticker: ClassVar[bool] = False
    """Whether a request for many tickers counts as many requests of the plan."""

    bars_per_request: ClassVar[int | None] = None
    """The bars, of all tickers together, up to which a request is charged once: each further page costs again."""

    whole_market_by_date: ClassVar[bool] = False
    """Whether one request has every ticker's bar of a day."""

    key_in_headers: ClassVar[Mapping[str, str]] = {}
    """The headers that carry the key, of a vendor that takes it there: settings in braces, "Bearer {api_key}"."""

    key_in_params: ClassVar[Mapping[str, str]] = {}
    """The parameters that carry the key, in the same way, of a vendor that takes it only in the query."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    """The vendor's error table: the first rule that fits counts, so the exact ones stand before the vague."""

    error_keys: ClassVar[tuple[str, ...]] = ()
    """Where the vendor's words are in the JSON of a refusal. Otherwise the body itself is what it says."""

    date_field: ClassVar[str] = "date"
    """The field of a row that holds its day, as a text that begins with YYYY-MM-DD."""

    fields: ClassVar[Mapping[str, Fields]] = {}
    """For each adjustment, where the numbers of a bar are in a row."""

    ignores_window: ClassVar[bool] = False
    """Whether answers have bars outside the window: those are passed over."""

    base_url: str

    # What is asked

    @abstractmethod
    def request(self, query: Query) -> Request:
        """The first request for a query."""

    def next_request(self, answer: Answer) -> Request | None:
        """The request for the next page, where the vendor pages. It never leaves `base_url`'s host."""
        return None

    def reference_request(self, ticker: str) -> Request | None:
        """A request for what the vendor knows of a ticker, where an empty list of bars does not tell."""
        return None

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Request:
        """A request with the key."""
        return Request(
            url,
            {**(params or {}), **self.key_params()},
            self.key_headers(),
        )

    def key_headers(self) -> Mapping[str, str]:
        """The headers that carry the key."""
        return self._with_settings(self.key_in_headers)

    def key_params(self) -> Mapping[str, str]:
        """The parameters that carry the key."""
        return self._with_settings(self.key_in_params)

    def _with_settings(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        settings = vars(self)
        filled = {}
        for name, text in texts.items():
            filled[name] = text.format(**settings)
        return filled

    def spelling(self, ticker: str) -> str:
        """The vendor's spelling of a ticker."""
        return ticker

    def in_path(self, ticker: str) -> str:
        """The vendor's spelling of a ticker, escaped for the path of a URL."""
        return quote(self.spelling(ticker), safe="")

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
        return isinstance(answer.json, list)

    def words(self, answer: Answer) -> str | None:
        """What the vendor says in a refusal; None for a body that is not its own, whose phrases mean nothing."""
        return answer.text_at(*self.error_keys) or answer.text

    def refused(self, answer: Answer, query: Query) -> Mapping[str, Problem]:
        """The tickers of a batch that an answer refuses beside the bars of the others."""
        return {}

    # What is there: only asked of an answer without a problem

    def parse(self, answer: Answer, query: Query) -> Iterable[Bar]:
        """The bars of an answer, in the vendor's order, under the query's spelling of the ticker.

        Raises KeyError, TypeError or ValueError for a missing or mistyped field.
        """
        read = self.bar
        for row in self.rows(answer, query):
            bar = read(row, query)
            if bar is not None:
                yield bar

    def rows(self, answer: Answer, query: Query) -> Iterable[Any]:
        """The rows of an answer. In one about several tickers, each is a pair: the query's ticker, and the row."""
        rows: Iterable[Any] = answer.json
        return rows

    def bar(self, row: Any, query: Query) -> Bar | None:
        """A row as a bar; None for one that is no bar of the query's. Raises as `parse` does."""
        if isinstance(row, tuple):
            ticker, row = row
        else:
            ticker = query.ticker
        day = calendar_day(row[self.date_field])
        if self.ignores_window and not query.start <= day <= query.end:
            return None
        fields = self.fields[query.adjustment]
        values = [row[name] if name else None for name in fields]
        return Bar(ticker, day, *numbers(*values))

    def notice(self, answer: Answer, query: Query) -> str:
        """What the user should know of an answer: bars that the vendor says it left out."""
        return ""

    def is_listed(self, answer: Answer) -> bool:
        """Whether an answer to `reference_request` has the ticker. An empty object or list does not."""
        return bool(answer.json)

    # Facts that depend on the ticker, and the vendor without a network

    def trades_in_new_york(self, ticker: str) -> bool:
        """Whether a ticker has a bar for each session of the New York Stock Exchange."""
        return True

    def respond(self, request: Request) -> Response | None:
        """The response to a request, of a provider that is its own vendor and needs no network."""
        return None


def classify(answer: Answer, said: str, rules: Iterable[Rule]) -> Problem:
    """The problem of an answer that is not the expected container: the first rule that fits, else by status alone."""
    rule = _rule_for(answer.status, said, rules)
    if 300 <= answer.status < 400 and not said:
        place = urlsplit(answer.headers.get("Location", ""))
        said = f"a redirect to {place.netloc}"
    return Problem(
        rule.kind,
        trim(said, 2000),
        _wait(answer, rule),
        rule.fix,
    )


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
