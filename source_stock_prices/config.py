"""The config, typed and checked. Every wrong value gets one sentence: the key, the value, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_stock_prices.providers import ALIASES, DEFAULT, PROVIDERS
from source_stock_prices.providers.provider import Provider
from source_stock_prices.providers.terms import ALL, ANY, RAW, SPLITS

TICKER = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9^$][A-Za-z0-9.^$&=:/_+~-]{0,31}")
"""Every character that a ticker has on some exchange or in some vendor's spelling of it."""


class ConfigError(AirbyteTracedException):
    """A value in the config that the user has to correct."""

    def __init__(self, sentence: str) -> None:
        super().__init__(message=sentence, internal_message=sentence, failure_type=FailureType.config_error)


@dataclass(frozen=True)
class Config:
    """What to sync, from whom, how. Dates are inclusive; None stands for the default that needs a clock."""

    provider: Provider
    tickers: tuple[str, ...]
    start_date: date | None = None
    end_date: date | None = None
    adjustment: str = RAW
    include_unfinished_session: bool = False
    requests_per_minute: int | None = None
    num_workers: int = 4

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Config:
        """Reads a config as a user writes it; raises ConfigError."""
        raw = canonical(raw)
        config = cls(
            provider=_provider(raw.get("provider")),
            tickers=_tickers(raw.get("stock_ticker")),
            start_date=_day(raw, "start_date"),
            end_date=_day(raw, "end_date"),
            adjustment=_adjustment(raw.get("adjustment", RAW)),
            include_unfinished_session=_flag(raw, "include_unfinished_session"),
            requests_per_minute=_count(raw, "requests_per_minute", 60_000),
            num_workers=_count(raw, "num_workers", 32) or cls.num_workers,
        )
        if config.start_date and config.end_date and config.start_date > config.end_date:
            raise ConfigError(f"start_date: {config.start_date} is after end_date {config.end_date}.")
        if config.tickers == (ANY,) and not config.provider.whole_market_by_date:
            able = ", ".join(provider.title for provider in PROVIDERS.values() if provider.whole_market_by_date)
            title = config.provider.title
            raise ConfigError(f"stock_ticker: {title} cannot serve '*', the whole market. Allowed with: {able}.")
        if config.adjustment not in config.provider.adjustments:
            allowed = ", ".join(config.provider.adjustments)
            title = config.provider.title
            raise ConfigError(f"adjustment: {title} cannot serve {config.adjustment!r}. Allowed: {allowed}.")
        return config

    @property
    def secrets(self) -> list[str]:
        """The provider's credentials."""
        return [getattr(self.provider, field.name) for field in fields(self.provider) if not field.repr]


def canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A config in the form the spec describes: a provider block under its present name, with its key inside.

    The tutorial's `{"api_key": ..., "stock_ticker": ...}` names no provider. Values are not judged here.
    """
    config = {key: value for key, value in raw.items() if value is not None}
    provider = config.get("provider", {"name": DEFAULT.name})
    if isinstance(provider, Mapping):
        provider = {key: value for key, value in provider.items() if value not in (None, "")}
        name = provider.get("name")
        known = PROVIDERS.get(ALIASES.get(name, name)) if isinstance(name, str) else None
        if known:
            provider["name"] = known.name
            if config.get("api_key") and "api_key" in _settings(known):
                provider.setdefault("api_key", config["api_key"])
    return {**config, "provider": provider}


def unknown_keys(raw: Mapping[str, Any]) -> list[str]:
    """The keys of a config that name no setting, and so have no effect. Those with an underscore are the CDK's."""
    config = canonical(raw)
    known = {field.name for field in fields(Config)} - {"tickers"} | {"stock_ticker", "api_key"}
    block = config["provider"]
    unknown = [key for key in config if key not in known and not key.startswith("_")]
    return unknown + [f"provider.{key}" for key in block if key not in {"name", *_settings(PROVIDERS[block["name"]])}]


def _settings(provider: type[Provider]) -> dict[str, bool]:
    """A provider's settings, and whether each is required."""
    return {field.name: field.default is MISSING for field in fields(provider)}


def _provider(block: Any) -> Provider:
    if not isinstance(block, Mapping):
        raise ConfigError('provider: not an object. Allowed: {"name": ...} and the settings of that provider.')
    name = block.get("name")
    if not isinstance(name, str) or name not in PROVIDERS:
        raise ConfigError(f"provider.name: {name!r} is not a known provider. Allowed: {', '.join(PROVIDERS)}.")
    provider = PROVIDERS[name]
    given = {field.name: _setting(field, block[field.name]) for field in fields(provider) if field.name in block}
    for key, required in _settings(provider).items():
        if required and not given.get(key):
            raise ConfigError(_missing(provider, key))
    if "base_url" in given:
        given["base_url"] = _url(given["base_url"])
    return provider(**given)


def _missing(provider: type[Provider], key: str) -> str:
    sentence = f"provider.{key} is missing: {provider.title} needs it."
    if key == "base_url":
        return f"{sentence} Set it to the address of the service, such as https://example.com/stable."
    where = f" Get one at {provider.key_url}." if provider.key_url else ""
    tutorial = " or at the top level" if key == "api_key" else ""
    keyless = ' Without a key, try {"name": "sample"} as the provider.'
    return f"{sentence} Put it in the provider block{tutorial}.{where}{keyless}"


def _setting(field: Field[Any], value: Any) -> str:
    """A setting as one line of printable ASCII, which is all that a header or a URL can carry."""
    key, allowed = f"provider.{field.name}", field.metadata.get("allowed")
    text = value.strip() if isinstance(value, str) else None
    if text is None or not text.isascii() or not text.isprintable():
        raise ConfigError(f"{key}: the value is not a line of printable ASCII characters.")
    if allowed and text not in allowed:
        raise ConfigError(f"{key}: {text!r} is unknown. Allowed: {', '.join(allowed)}.")
    return text


def _url(value: str) -> str:
    try:
        valid = re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value) and urlsplit(value).port != 0
    except ValueError:
        valid = False
    if not valid:
        shown = re.sub(r"//[^/]*@", "//****@", value).partition("?")[0]  # what is hidden may be a password or a key
        raise ConfigError(f"provider.base_url: {shown!r} is not an address such as https://example.com/path.")
    return value.rstrip("/")


def _tickers(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ConfigError(f"stock_ticker: {value!r} is not a text. Allowed: tickers separated by commas.")
    tickers = tuple(dict.fromkeys(ticker for part in value.split(",") if (ticker := part.strip())))
    if not tickers:
        raise ConfigError(f"stock_ticker: {value!r} names no ticker. Allowed: tickers separated by commas.")
    if tickers == (ANY,):
        return tickers
    for ticker in tickers:
        if not TICKER.fullmatch(ticker):
            raise ConfigError(
                f"stock_ticker: {ticker!r} has a character or a length no exchange uses. Allowed: tickers separated"
                " by commas, of letters, digits and .^$&=:/_+~-"
            )
    return tickers


def _day(raw: Mapping[str, Any], key: str) -> date | None:
    value = raw.get(key)
    if value in (None, ""):
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            return date.fromisoformat(value)
    except (TypeError, ValueError):
        pass
    raise ConfigError(f"{key}: {value!r} is not a date that exists. Allowed: YYYY-MM-DD.")


def _adjustment(value: Any) -> str:
    if value not in (RAW, SPLITS, ALL):
        raise ConfigError(f"adjustment: {value!r} is unknown. Allowed: {RAW}, {SPLITS}, {ALL}.")
    return str(value)


def _flag(raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{key}: {value!r} is neither true nor false.")
    return value


def _count(raw: Mapping[str, Any], key: str, most: int) -> int | None:
    value = raw.get(key)
    if value is not None and (type(value) is not int or not 1 <= value <= most):
        raise ConfigError(f"{key}: {value!r} is out of range. Allowed: whole numbers from 1 to {most}.")
    return value
