"""The config, typed and checked. Every wrong value gets one sentence: the key, the value, and what is allowed."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import (
    MISSING,
    Field,
    dataclass,
    fields,
    replace,
)
from datetime import date
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.providers import ALIASES, DEFAULT, PROVIDERS
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import (
    ALL,
    ANY,
    RAW,
    SPLITS,
    is_ticker,
    of_market,
)
from source_stock_prices.secrecy import SHORTEST
from source_stock_prices.sessions import has_calendar

BETWEEN_TICKERS = re.compile(r"[\s,;]+")

DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")

HTTP_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")

INSIDE = (".local", ".internal", ".localhost")
"""How names end that no public host has."""

ADJUSTMENTS = (RAW, SPLITS, ALL)

PLACEHOLDER = re.compile(r"[.*x]+|<.*>|your[ _-].*", re.IGNORECASE)

MAX_REQUESTS_PER_MINUTE = 60_000
MAX_WORKERS = 32
MAX_HISTORY_DAYS = 36_500
MAX_RECHECK_SESSIONS = 60
MAX_VERIFIED_TICKERS = 100


class ConfigError(AirbyteTracedException):
    """A value in the config that the user has to correct. The sentence names the key and never quotes a secret."""

    def __init__(self, sentence: str) -> None:
        super().__init__(
            message=sentence,
            internal_message=sentence,
            failure_type=FailureType.config_error,
        )


@dataclass(frozen=True)
class Config:
    """What to sync, from which provider, and how. `verify_with` is the provider of a second opinion, None for no such.

    Both dates are inclusive. None means the default, where that depends on the clock or the plan.
    """

    provider: Provider
    tickers: tuple[str, ...]
    start_date: date | None = None
    end_date: date | None = None
    adjustment: str = RAW
    include_unfinished_session: bool = False
    requests_per_minute: int | None = None
    num_workers: int = 4
    history_days: int | None = None
    recheck_sessions: int = 10
    allow_http: bool = False
    verify_with: Provider | None = None
    verify_tickers: int = 5

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Config:
        """The config from JSON as a user writes it. Raises ConfigError for the first value that is wrong."""
        raw = canonical(raw)
        config = cls(
            provider=_provider(raw, "provider"),
            tickers=_tickers(raw),
            start_date=_day(raw, "start_date"),
            end_date=_day(raw, "end_date"),
            adjustment=_adjustment(raw.get("adjustment", RAW)),
            include_unfinished_session=_flag(raw, "include_unfinished_session"),
            requests_per_minute=_whole_number(raw, "requests_per_minute", MAX_REQUESTS_PER_MINUTE),
            num_workers=_whole_number(raw, "num_workers", MAX_WORKERS) or cls.num_workers,
            history_days=_whole_number(raw, "history_days", MAX_HISTORY_DAYS),
            recheck_sessions=_recheck_sessions(raw),
            allow_http=_flag(raw, "allow_http"),
            verify_with=_provider(raw, "verify_with") if "verify_with" in raw else None,
            verify_tickers=_whole_number(raw, "verify_tickers", MAX_VERIFIED_TICKERS) or cls.verify_tickers,
        )
        if not config.allow_http:
            _check_encrypted(config.provider, "provider")
        _check_key_beside(raw.get("api_key"))
        _check_dates(config.start_date, config.end_date)
        _check_one_start(config.start_date, config.history_days)
        if config.market:
            _check_market(config.market, config.provider)
            # As the vendor names it, so that the state tells one market from another.
            config = replace(config, tickers=(config.provider.market_of(config.market),))
        _check_tickers(config.tickers, config.provider)
        _check_adjustment(config.adjustment, config.provider)
        if config.verify_with:
            _check_second_provider(config, config.verify_with)
        return config

    @property
    def market(self) -> str | None:
        """The market of which every ticker is read, `*` or that of an exchange; None where tickers are named."""
        return self.tickers[0] if of_market(self.tickers) else None

    @property
    def comparable(self) -> list[str]:
        """The tickers that mean the same listing to the second provider; or the market in which some may do so."""
        if self.verify_with is None:
            return []
        comparable = []
        for ticker in self.tickers:
            example = ticker.replace(ANY, "A")
            if self.provider.is_same_listing(example, self.verify_with):
                comparable.append(ticker)
        return comparable

    @property
    def secrets(self) -> list[str]:
        """The credentials of the provider, and of the one that is asked for a second opinion."""
        secrets = []
        for provider in filter(None, (self.provider, self.verify_with)):
            for field in fields(provider):
                if not field.repr:
                    secrets.append(getattr(provider, field.name))
        return secrets


def canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A config in the form of the spec: provider blocks under the provider's present name, with the key inside.

    A config without a provider, such as the tutorial's `{"api_key": ..., "stock_ticker": ...}`, gets the default one.
    A list of tickers becomes a string. Values are not checked here.
    """
    config = _without_nulls(raw)
    tickers = config.get("stock_ticker")
    if isinstance(tickers, list) and _are_texts(tickers):
        config["stock_ticker"] = ", ".join(tickers)
    # Null is no provider: the spec could not allow it, since a form has to know which of the blocks it shows.
    block = raw.get("provider", {"name": DEFAULT.name})
    if isinstance(block, Mapping):
        block = _canonical_block(block, config.get("api_key"))
    config["provider"] = block
    if "verify_with" in raw:
        second = raw["verify_with"]
        config["verify_with"] = _canonical_block(second, None) if isinstance(second, Mapping) else second
    return config


def _canonical_block(block: Mapping[str, Any], key_beside: Any) -> dict[str, Any]:
    """A provider block without nulls; `key_beside` is the key at the top level of the config, if any."""
    given = _without_nulls(block)
    name = given.get("name")
    if not isinstance(name, str):
        return given
    present_name = ALIASES.get(name, name)
    if present_name not in PROVIDERS:
        return given
    given["name"] = present_name
    needs_key = "api_key" in _settings(PROVIDERS[present_name])
    if key_beside and needs_key and not given.get("api_key"):
        given["api_key"] = key_beside
    return given


def _without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    given = {}
    for key, value in settings.items():
        if value is not None:
            given[key] = value
    return given


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def unknown_keys(raw: Mapping[str, Any]) -> list[str]:
    """The keys of a valid config that are no setting and so have no effect: `startDate`, `provider.exchange`.

    Keys that begin with an underscore belong to the CDK.
    """
    config = canonical(raw)
    unknown = _unknown_at_the_top(config)
    for where in ("provider", "verify_with"):
        if where not in config:
            continue
        block = config[where]
        for key in _unknown_in_the_block(block, PROVIDERS[block["name"]]):
            unknown.append(f"{where}.{key}")
    return unknown


def _unknown_at_the_top(config: Mapping[str, Any]) -> list[str]:
    known = {field.name for field in fields(Config)}
    known -= {"tickers"}
    known |= {"stock_ticker", "api_key"}
    unknown = []
    for key in config:
        if key not in known and not key.startswith("_"):
            unknown.append(key)
    return unknown


def _unknown_in_the_block(block: Mapping[str, Any], provider: type[Provider]) -> list[str]:
    """The keys of a provider block that are no setting of the provider, and are not empty."""
    settings = _settings(provider)
    unknown = []
    for key, value in block.items():
        if key != "name" and key not in settings and value != "":
            unknown.append(key)
    return unknown


def _typo(key: str, unknown: Iterable[str]) -> str:
    """A sentence about the unknown key that was probably meant to be `key`, or nothing."""
    close = get_close_matches(key, unknown, n=1)
    if not close:
        return ""
    return f" Is {close[0]!r} meant to be {key!r}?"


def _settings(provider: type[Provider]) -> dict[str, bool]:
    """A provider's settings, and whether each is required."""
    settings = {}
    for field in fields(provider):
        settings[field.name] = field.default is MISSING
    return settings


def _provider(config: Mapping[str, Any], where: str) -> Provider:
    """The provider in a block of a canonical config, which is `provider` or `verify_with`."""
    block = config[where]
    if not isinstance(block, Mapping):
        raise ConfigError(f"{where} must be an object, such as {_example(block)}.")
    name = block.get("name")
    allowed = f"Allowed: {', '.join(PROVIDERS)}."
    if name is None:
        raise ConfigError(f"{where}.name is missing.{_typo('name', block)} {allowed}")
    if not isinstance(name, str) or name not in PROVIDERS:
        typo = _similar(name) if isinstance(name, str) else ""
        raise ConfigError(f"{where}.name: {name!r} is not a known provider.{typo} {allowed}")
    provider = PROVIDERS[name]
    given = _given_settings(provider, block, where)
    for key, is_required in _settings(provider).items():
        if is_required and key not in given:
            raise ConfigError(_missing(provider, key, config, where))
    _check_keys(provider, given, where)
    if "base_url" in given:
        given["base_url"] = _address(given["base_url"], where)
    return provider(**given)


def _given_settings(
    provider: type[Provider],
    block: Mapping[str, Any],
    where: str,
) -> dict[str, str]:
    """The settings of a provider block that are not empty."""
    given = {}
    for field in fields(provider):
        text = _setting(field, block.get(field.name), where)
        if text:
            given[field.name] = text
    return given


def _missing(
    provider: type[Provider],
    key: str,
    config: Mapping[str, Any],
    where: str,
) -> str:
    unknown = _unknown_in_the_block(config[where], provider)
    unknown += _unknown_at_the_top(config)
    typo = _typo(key, unknown)
    advice = _advice(provider, key, where)
    return f"{where}.{key} is missing: {provider.title} requires it.{typo} {advice}"


def _similar(name: str) -> str:
    """A sentence about the provider whose name or title was probably meant, or nothing."""
    as_written = name.strip().lower().replace(" ", "_").replace("-", "_")
    close = get_close_matches(as_written, [*PROVIDERS, *ALIASES], n=1)
    if not close:
        return ""
    return f" Is {close[0]!r} meant?"


def _example(name: Any) -> str:
    """The shortest provider block, of the provider that was named where a block was expected."""
    block = {"name": "sample"}
    if isinstance(name, str) and name in (*PROVIDERS, *ALIASES):
        block["name"] = name
        provider = PROVIDERS[ALIASES.get(name, name)]
        for key, is_required in _settings(provider).items():
            if is_required:
                block[key] = "..."
    return json.dumps(block)


def _advice(provider: type[Provider], key: str, where: str, what: str = "it") -> str:
    """Where a required setting goes, and where a user gets one."""
    if key == "base_url":
        return "Set it to the address of the service, such as https://example.com/stable."
    is_first = where == "provider"
    place = f"in the {where} block"
    if key == "api_key" and is_first:
        place += " or at the top level of the config"
    advice = f"Put {what} {place}."
    if provider.key_url:
        advice += f" Get one at {provider.key_url}."
    if not is_first:
        return advice
    return f'{advice} To try the connector without a key, use {{"name": "sample"}} as the provider.'


def _check_keys(
    provider: type[Provider],
    given: Mapping[str, str],
    where: str,
) -> None:
    for field in fields(provider):
        if field.repr:
            continue
        if _is_placeholder(given[field.name]):
            advice = _advice(provider, field.name, where, "your own")
            raise ConfigError(f"{where}.{field.name} is only a placeholder. {advice}")


def _is_placeholder(key: str) -> bool:
    """Whether a text is too short for a key, or a row of dots, stars or X."""
    if len(key) < SHORTEST:
        return True
    return PLACEHOLDER.fullmatch(key) is not None


def _setting(field: Field[Any], value: Any, where: str) -> str:
    """A setting of a provider as a single line of printable ASCII, which is all that a header or a URL can carry.

    Empty if it is not set.
    """
    if value is None:
        return ""
    key = f"{where}.{field.name}"
    if not isinstance(value, str):
        raise ConfigError(f"{key} must be a string.")
    text = value.strip()
    if not text.isascii() or not text.isprintable():
        raise ConfigError(f"{key} must be a single line of printable ASCII.")
    allowed = field.metadata.get("allowed")
    # Not the stripped text: the spec lists the choices, too, and strips nothing.
    if allowed and value not in allowed:
        raise ConfigError(f"{key} must be {_one_of(allowed)}, not {value!r}.")
    return text


def _address(value: str, where: str) -> str:
    if _is_address(value):
        return value.rstrip("/")
    # Neither a password before the host nor a key in the query may be shown.
    without_user = re.sub("//.*@", "//****@", value)
    shown = without_user.partition("?")[0]
    raise ConfigError(f"{where}.base_url must be an address such as https://example.com/path, not {shown!r}.")


def _is_address(value: str) -> bool:
    if not HTTP_ADDRESS.fullmatch(value):
        return False
    try:
        return urlsplit(value).port != 0
    except ValueError:
        return False


def _check_encrypted(provider: Provider, where: str) -> None:
    address = urlsplit(provider.base_url)
    if address.scheme.lower() != "http" or _is_inside(address.hostname or ""):
        return
    raise ConfigError(
        f"{where}.base_url: {provider.base_url} would send the API key over the network unencrypted. Use https://, or"
        " set allow_http to true if the way to this host is safe."
    )


def _is_inside(host: str) -> bool:
    """Whether a host is this machine or in a private network, as far as its name or address tells."""
    name = host.lower().rstrip(".")
    address = _ip_address(name)
    if address is None:
        return "." not in name or name.endswith(INSIDE)
    return address.is_private or address.is_loopback or address.is_link_local


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is given as, in any form that a resolver takes: 127.1 and 2130706433 are 127.0.0.1."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _check_key_beside(key: Any) -> None:
    """The key at the top level, which the provider may not need."""
    if key is not None and not isinstance(key, str):
        raise ConfigError("api_key must be a string.")


def _tickers(config: Mapping[str, Any]) -> tuple[str, ...]:
    value = config.get("stock_ticker")
    if value is None:
        typo = _typo("stock_ticker", _unknown_at_the_top(config))
        raise ConfigError(f"stock_ticker is missing.{typo} Set it to one or more tickers, separated by commas.")
    if not isinstance(value, str):
        raise ConfigError(f"stock_ticker must be a string of tickers separated by commas, not {value!r}.")
    parts = BETWEEN_TICKERS.split(value)
    unique = dict.fromkeys(filter(None, parts))
    tickers = tuple(unique)
    if not tickers:
        raise ConfigError(f"stock_ticker: {value!r} contains no ticker. List one or more, separated by commas.")
    if of_market(tickers):
        return tickers
    for ticker in tickers:
        if not is_ticker(ticker):
            raise ConfigError(
                f"stock_ticker: {ticker!r} is not a valid ticker. Separate tickers by commas; each has up to 32"
                " letters, digits or characters of .^$&=:/_+~-"
            )
    return tickers


def _day(raw: Mapping[str, Any], key: str) -> date | None:
    value = raw.get(key)
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not DAY.fullmatch(value):
        raise ConfigError(f"{key}: {value!r} is not a date in the form YYYY-MM-DD, such as 2024-01-31.")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ConfigError(f"{key}: {value} is in the form YYYY-MM-DD, but there is no such day.") from None


def _adjustment(value: Any) -> str:
    if value not in ADJUSTMENTS:
        raise ConfigError(f"adjustment must be {_one_of(ADJUSTMENTS)}, not {value!r}.")
    return str(value)


def _flag(raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{key} must be true or false, not {value!r}.")
    return value


def _whole_number(
    raw: Mapping[str, Any],
    key: str,
    largest: int,
    smallest: int = 1,
) -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        raise ConfigError(f"{key} must be a number, not the text {value!r}: write it without quotation marks.")
    if not _is_whole(value) or not smallest <= value <= largest:
        raise ConfigError(f"{key} must be a whole number from {smallest} to {largest}, not {value!r}.")
    return int(value)


def _is_whole(value: Any) -> bool:
    """Whether JSON Schema takes a value for an integer: 5.0 is one, true is none."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _recheck_sessions(raw: Mapping[str, Any]) -> int:
    sessions = _whole_number(raw, "recheck_sessions", MAX_RECHECK_SESSIONS, smallest=0)
    return Config.recheck_sessions if sessions is None else sessions


def _check_dates(start: date | None, end: date | None) -> None:
    if start and end and start > end:
        raise ConfigError(f"start_date {start} is after end_date {end}.")


def _check_one_start(start: date | None, history_days: int | None) -> None:
    if start and history_days:
        raise ConfigError("start_date and history_days cannot both be set: each says where the history starts.")


def _check_market(market: str, provider: Provider) -> None:
    if provider.calls_by_date is None:
        titles = []
        for each in PROVIDERS.values():
            if each.calls_by_date is not None:
                titles.append(each.title)
        raise ConfigError(
            f"stock_ticker: {provider.title} cannot serve {market!r}, the whole market. Supported by:"
            f" {', '.join(titles)}."
        )
    if market != ANY and not provider.exchange_suffix:
        raise ConfigError(f"stock_ticker: {provider.title} serves one market only. Set '*' instead of {market!r}.")
    if not has_calendar(provider.exchange_of(market)):
        raise ConfigError(
            f"stock_ticker: no calendar is known for the exchange of {market!r}, which has to be read session by"
            " session. List its tickers instead."
        )


def _check_tickers(tickers: tuple[str, ...], provider: Provider) -> None:
    for ticker in tickers:
        objection = provider.objection(ticker)
        if objection:
            raise ConfigError(f"stock_ticker: {ticker} cannot be served. {objection} Remove it from stock_ticker.")


def _check_adjustment(adjustment: str, provider: Provider) -> None:
    if adjustment not in provider.adjustments:
        allowed = ", ".join(provider.adjustments)
        raise ConfigError(f"adjustment: {provider.title} cannot serve {adjustment!r}. Allowed: {allowed}.")


def _check_second_provider(config: Config, second: Provider) -> None:
    """Whether there is something to compare: the same listings, adjusted alike, of another vendor."""
    if not config.allow_http:
        _check_encrypted(second, "verify_with")
    first = config.provider
    if second.name == first.name:
        raise ConfigError(
            f"verify_with: {first.title} is the provider already. Choose another one, or remove verify_with."
        )
    if config.adjustment not in second.adjustments:
        allowed = ", ".join(second.adjustments)
        raise ConfigError(
            f"verify_with: {second.title} cannot serve the adjustment {config.adjustment!r}, so that nothing could be"
            f" compared. It serves: {allowed}. Choose another provider, or remove verify_with."
        )
    if config.comparable:
        return
    raise ConfigError(
        f"verify_with: none of the tickers is known to mean the same listing to {second.title} as to {first.title}, so"
        " that nothing could be compared. Choose another provider, or remove verify_with."
    )


def _one_of(words: tuple[str, ...]) -> str:
    """`raw, splits or all`."""
    *others, last = words
    if not others:
        return last
    return f"{', '.join(others)} or {last}"
