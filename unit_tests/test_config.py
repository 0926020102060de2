"""What a config may say, and the sentence for what it may not."""

from dataclasses import fields
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from source_stock_prices.config import Config, ConfigError, canonical, unknown_keys
from source_stock_prices.providers import ALIASES, PROVIDERS

with open("source_stock_prices/spec.yaml") as file:
    SPEC = Draft7Validator(yaml.safe_load(file)["connectionSpecification"])

SAMPLE = {"provider": {"name": "sample"}, "stock_ticker": "AAPL"}


def test_it_takes_the_tutorials_two_keys_for_a_whole_config() -> None:
    """Whoever followed the tutorial keeps their config."""
    config = Config.parse({"api_key": "s3cr3t", "stock_ticker": "TSLA"})
    assert (config.provider.name, config.secrets, config.tickers) == ("massive", ["s3cr3t"], ("TSLA",))
    assert (config.start_date, config.adjustment, config.include_unfinished_session) == (None, "raw", False)


@pytest.mark.parametrize("name", ["massive", "polygon"])
def test_it_knows_massive_by_its_former_name(name: str) -> None:
    """Polygon.io became Massive in October 2025; its users still say Polygon."""
    config = Config.parse({"provider": {"name": name, "api_key": "s3cr3t"}, "stock_ticker": "AAPL"})
    assert config.provider == PROVIDERS["massive"](api_key="s3cr3t")  # type: ignore[call-arg]


def test_it_finds_a_missing_key_at_the_top_level() -> None:
    """A user who adds a provider block to the tutorial's config need not move the key."""
    config = Config.parse({"provider": {"name": "tiingo"}, "api_key": " s3cr3t\n", "stock_ticker": "AAPL"})
    assert config.secrets == ["s3cr3t"]


@pytest.mark.parametrize(
    "text",
    [
        "AAPL,MSFT",
        " AAPL ,\tMSFT,\n",
        "AAPL,MSFT,AAPL,",
        "AAPL\r\nMSFT\r\n",
        "AAPL MSFT",
        "AAPL; MSFT",
        ["AAPL", "MSFT "],
    ],
)
def test_it_splits_tickers_at_commas_blanks_and_lines_and_drops_duplicates(text: Any) -> None:
    """People paste lists from anywhere; a ticker twice would be paid for twice."""
    assert Config.parse(SAMPLE | {"stock_ticker": text}).tickers == ("AAPL", "MSFT")


def test_it_keeps_the_case_of_tickers() -> None:
    """KIMpL is a preferred share, KIMPL is nothing."""
    assert Config.parse(SAMPLE | {"stock_ticker": "KIMpL, BRK.B, ^GSPC"}).tickers == ("KIMpL", "BRK.B", "^GSPC")


def test_it_takes_dates_as_days() -> None:
    """Both ends are inclusive, so one day is a window."""
    config = Config.parse(SAMPLE | {"start_date": "2024-02-29", "end_date": "2024-02-29"})
    assert config.start_date == config.end_date == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stock_ticker": " , "}, "stock_ticker: ' , ' contains no ticker. List one or more, separated by commas."),
        ({"stock_ticker": None}, "stock_ticker is missing. Set it to one or more tickers"),
        (
            {"stock_ticker": ["AAPL", 7]},
            "stock_ticker must be a string of tickers separated by commas, not ['AAPL', 7].",
        ),
        ({"stock_ticker": []}, "stock_ticker: '' contains no ticker."),
        ({"stock_ticker": "AAPL|MSFT"}, "stock_ticker: 'AAPL|MSFT' is not a valid ticker. Separate tickers by commas"),
        ({"stock_ticker": "AAPL,../x"}, "stock_ticker: '"),
        ({"stock_ticker": "AAPL?apikey"}, "stock_ticker: 'AAPL?apikey' is not a valid ticker"),
        ({"stock_ticker": "--"}, "stock_ticker: '--' is not a valid ticker"),
        ({"start_date": "2020-13-45"}, "start_date: 2020-13-45 is in the form YYYY-MM-DD, but there is no such day."),
        ({"start_date": "01.02.2024"}, "start_date: '01.02.2024' is not a date in the form YYYY-MM-DD, such as"),
        ({"end_date": "20200101"}, "end_date: '20200101' is not a date in the form"),
        ({"end_date": 20200101}, "end_date: 20200101 is not a date in the form"),
        ({"start_date": "2024-01-02", "end_date": "2024-01-01"}, "start_date 2024-01-02 is after end_date 2024-01-01."),
        ({"adjustment": "dividends"}, "adjustment must be raw, splits or all, not 'dividends'."),
        ({"adjustment": ["raw"]}, "adjustment must be raw, splits or all, not ['raw']."),
        (
            {"adjustment": "splits", "provider": {"name": "tiingo", "api_key": "s3cr3t"}},
            "adjustment: Tiingo cannot serve 'splits'. Allowed: raw, all.",
        ),
        ({"include_unfinished_session": "no"}, "include_unfinished_session must be true or false, not 'no'."),
        ({"requests_per_minute": 0}, "requests_per_minute must be a whole number from 1 to 60000, not 0."),
        ({"num_workers": 33}, "num_workers must be a whole number from 1 to 32, not 33."),
        ({"stock_ticker": "*, AAPL"}, "stock_ticker: '*' is not a valid ticker"),
        (
            {"stock_ticker": "*"},
            "stock_ticker: Sample market cannot serve '*', the whole market. Supported by: Massive",
        ),
        (
            {"stock_ticker": "AAPL, X:BTCUSD", "provider": {"name": "massive", "api_key": "s3cr3t"}},
            "stock_ticker: X:BTCUSD cannot be served. Massive keeps its bars of currencies (C:), crypto (X:), ",
        ),
        ({"requests_per_minute": True}, "requests_per_minute must be a whole number from 1 to 60000, not True."),
        ({"requests_per_minute": "5"}, "requests_per_minute must be a number, not the text '5': write it"),
        ({"requests_per_minute": 5.5}, "requests_per_minute must be a whole number from 1 to 60000, not 5.5."),
        ({"recheck_sessions": 61}, "recheck_sessions must be a whole number from 0 to 60, not 61."),
        ({"provider": {"name": "bloomberg"}}, "provider.name: 'bloomberg' is not a known provider. Allowed: massive, "),
        (
            {"provider": {"name": "Sample"}},
            "provider.name: 'Sample' is not a known provider. Is 'sample' meant? Allowed: ",
        ),
        (
            {"provider": {"name": "Tingo"}},
            "provider.name: 'Tingo' is not a known provider. Is 'tiingo' meant? Allowed: ",
        ),
        (
            {"provider": {"name": "Twelve Data"}},
            "provider.name: 'Twelve Data' is not a known provider. Is 'twelve_data' ",
        ),
        ({"provider": {}}, "provider.name is missing. Allowed: massive, "),
        ({"provider": "a key, perhaps"}, 'provider must be an object, such as {"name": "sample"}.'),
        ({"provider": None}, 'provider must be an object, such as {"name": "sample"}.'),
        ({"provider": "sample"}, 'provider must be an object, such as {"name": "sample"}.'),
        ({"provider": "polygon"}, 'provider must be an object, such as {"name": "polygon", "api_key": "..."}.'),
        (
            {"provider": {"nmae": "sample"}},
            "provider.name is missing. Is 'nmae' meant to be 'name'? Allowed: massive, ",
        ),
        ({"api_key": 7}, "api_key must be a string."),
        ({"provider": {"name": "alpaca", "feed": ""}}, "provider.feed must be sip or iex, not ''."),
        ({"provider": {"name": "alpaca", "feed": " sip"}}, "provider.feed must be sip or iex, not ' sip'."),
        ({"provider": {"name": ["x"]}}, "provider.name: ['x'] is not a known provider"),
        ({"provider": {"name": "tiingo"}}, "provider.api_key is missing: Tiingo requires it. Put it in"),
        ({"provider": {"name": "tiingo", "api_key": "\N{SNOWMAN}"}}, "provider.api_key must be a single line of"),
        ({"provider": {"name": "tiingo", "api_key": 7}}, "provider.api_key must be a string."),
        ({"provider": {"name": "tiingo", "api_key": "a\nb"}}, "provider.api_key must be a single line of"),
        (
            {"provider": {"name": "iex", "api_key": "s3cr3t"}},
            "provider.base_url is missing: IEX Cloud compatible service",
        ),
        (
            {"provider": {"name": "iex", "api_key": "s3cr3t", "base_url": "ftp://x"}},
            "provider.base_url must be an address such as https://example.com/path, not 'ftp://x'.",
        ),
        (
            {"provider": {"name": "massive", "api_key": "s3cr3t", "base_url": "https://u:p@x"}},
            "provider.base_url must be an address such as https://example.com/path, not 'https://****@x'.",
        ),
        (
            {"provider": {"name": "massive", "api_key": "s3cr3t", "base_url": "http://[::1"}},
            "provider.base_url must be an address such as https://example.com/path, not 'http://[::1'.",
        ),
    ],
)
def test_it_names_the_key_the_value_and_what_is_allowed(change: dict[str, Any], sentence: str) -> None:
    """A user corrects a config in one try, without a log."""
    with pytest.raises(ConfigError) as caught:
        Config.parse(SAMPLE | change)
    assert str(caught.value).startswith(sentence)


TIINGO = {"name": "tiingo", "api_key": "s3cr3t"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"verify_with": None}, 'verify_with must be an object, such as {"name": "sample"}.'),
        ({"verify_with": "tiingo"}, 'verify_with must be an object, such as {"name": "tiingo", "api_key": "..."}.'),
        ({"verify_with": {}}, "verify_with.name is missing. Allowed: massive, "),
        ({"verify_with": {"name": "x"}}, "verify_with.name: 'x' is not a known provider. Allowed: massive, "),
        (
            {"verify_with": {"name": "tiingo"}, "api_key": "s3cr3t"},
            "verify_with.api_key is missing: Tiingo requires it. Put it in the verify_with block. Get one at",
        ),
        ({"verify_with": {**TIINGO, "api_key": "..."}}, "verify_with.api_key is only a placeholder. Put your own in"),
        ({"verify_with": {**TIINGO, "api_key": "a\nb"}}, "verify_with.api_key must be a single line of printable"),
        ({"verify_with": {**TIINGO, "base_url": "x"}}, "verify_with.base_url must be an address such as https://"),
        (
            {"verify_with": {**TIINGO, "base_url": "http://api.tiingo.com"}},
            "verify_with.base_url: http://api.tiingo.com would send the API key over the network unencrypted.",
        ),
        (
            {"verify_with": TIINGO, "adjustment": "splits"},
            "verify_with: Tiingo cannot serve the adjustment 'splits', so that nothing could be compared.",
        ),
        ({"verify_with": {"name": "sample"}}, "verify_with: Sample market is the provider already. Choose another"),
        (
            {"verify_with": TIINGO, "stock_ticker": "VOW3.XETRA"},
            "verify_with: none of the tickers is known to mean the same listing to Tiingo as to Sample market, so that",
        ),
        (
            {
                "verify_with": TIINGO,
                "stock_ticker": "*.XETRA",
                "provider": {"name": "eodhd", "api_key": "s3cr3t"},
            },
            "verify_with: none of the tickers is known to mean the same listing to Tiingo as to EODHD",
        ),
        ({"verify_tickers": 0}, "verify_tickers must be a whole number from 1 to 100, not 0."),
    ],
)
def test_it_refuses_a_second_provider_with_which_nothing_could_be_compared(
    change: dict[str, Any], sentence: str
) -> None:
    """Or that would fail in every sync; in a sentence that names the block."""
    with pytest.raises(ConfigError) as caught:
        Config.parse(SAMPLE | change)
    assert str(caught.value).startswith(sentence)


def test_it_takes_a_second_provider_as_it_takes_the_first() -> None:
    """By a former name, with empty fields, and with a key of its own."""
    block = {"name": "polygon", "api_key": " s3cr3t-2\n", "base_url": "", "exchange": "US"}
    raw = {"provider": TIINGO, "verify_with": block, "stock_ticker": "AAPL, 600519", "verify_tickers": None}
    config = Config.parse(raw)
    assert config.verify_with == PROVIDERS["massive"](api_key="s3cr3t-2")  # type: ignore[call-arg]
    assert (config.secrets, config.verify_tickers, config.comparable) == (["s3cr3t", "s3cr3t-2"], 5, ["AAPL"])
    assert unknown_keys(raw) == ["verify_with.exchange"]
    assert canonical(raw)["verify_with"]["name"] == "massive"
    SPEC.validate(raw)
    SPEC.validate(canonical(raw))
    assert Config.parse(SAMPLE).verify_with is None


def with_base_url(base_url: str, **settings: Any) -> dict[str, Any]:
    return SAMPLE | {"provider": {"name": "massive", "api_key": "s3cr3t", "base_url": base_url}} | settings


@pytest.mark.parametrize(
    "host",
    [
        "api.massive.com",
        "8.8.8.8",
        "134744072",
        "8.526344",
        "0x8.8.8.8",
        "100.64.0.1",
        "[2606:4700::1111]",
        "[::ffff:8.8.8.8]",
        "gateway.example",
        "10.0.0.1.nip.io",
        "localhost.example.com",
        "evil-internal.com",
        "API.MASSIVE.COM.",
    ],
)
def test_it_sends_no_key_in_the_clear_to_a_public_host(host: str) -> None:
    """One letter in base_url is enough, and nothing else would tell that anyone on the way can read the key."""
    for base_url in (f"http://{host}", f"http://{host}:8080/v1"):
        with pytest.raises(ConfigError) as caught:
            Config.parse(with_base_url(base_url))
        assert str(caught.value) == (
            f"provider.base_url: {base_url} would send the API key over the network unencrypted. Use https://, or set"
            " allow_http to true if the way to this host is safe."
        )
        assert Config.parse(with_base_url(base_url, allow_http=True)).provider.base_url == base_url
    assert Config.parse(with_base_url(f"https://{host}")).provider.base_url == f"https://{host}"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.1",
        "127.9.9.9",
        "[::1]",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "[fd00::1]",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "gateway",
        "nas.local",
        "prices.internal",
        "app.localhost",
        "gateway.prices.svc.cluster.local",
    ],
)
def test_it_takes_http_for_a_host_nearby(host: str) -> None:
    """A gateway beside the connector has no certificate, and needs none."""
    assert Config.parse(with_base_url(f"http://{host}:8080")).provider.base_url == f"http://{host}:8080"


def test_it_tells_which_keys_have_no_effect() -> None:
    """A misspelled start_date would read a week in place of ten years."""
    raw = {"provider": {"name": "sample", "exchange": "US"}, "stock_ticker": "AAPL", "startDate": "2015-01-01", "_x": 1}
    assert unknown_keys(raw) == ["startDate", "provider.exchange"]


def test_it_says_where_a_key_is_had_and_how_to_try_without_one() -> None:
    """The first thing that goes wrong for a newcomer is the key."""
    with pytest.raises(ConfigError) as caught:
        Config.parse({"stock_ticker": "AAPL"})
    assert "provider.api_key is missing: Massive" in str(caught.value)
    assert "https://massive.com/dashboard/keys" in str(caught.value)
    assert '{"name": "sample"}' in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            {"provider": {"name": "sample"}, "stock_tickers": "AAPL"},
            "stock_ticker is missing. Is 'stock_tickers' meant to be 'stock_ticker'? Set it to",
        ),
        (
            {"provider": {"name": "tiingo", "api_kye": "s3cr3t"}, "stock_ticker": "AAPL"},
            "provider.api_key is missing: Tiingo requires it. Is 'api_kye' meant to be 'api_key'? Put it in",
        ),
        (
            {"apiKey": "s3cr3t", "stock_ticker": "AAPL"},
            "provider.api_key is missing: Massive (formerly Polygon.io) requires it. Is 'apiKey' meant",
        ),
        (
            {"provider": {"name": "alpaca", "api_key": "s3cr3t", "feed": "iex"}, "stock_ticker": "AAPL"},
            "provider.api_secret is missing: Alpaca requires it. Put it in",
        ),
    ],
)
def test_it_names_a_misspelled_key_as_the_cause(raw: dict[str, Any], sentence: str) -> None:
    """Who reads that a key is missing which is there, in their eyes, looks everywhere but there."""
    with pytest.raises(ConfigError) as caught:
        Config.parse(raw)
    assert str(caught.value).startswith(sentence)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("key", ["...", "key", "xxxxxxxxxx", "****************", "YOUR_API_KEY", "<your token>"])
@pytest.mark.parametrize("place", ["in the block", "at the top level"])
def test_it_takes_no_placeholder_for_a_key(key: str, place: str) -> None:
    """A vendor would only say that the key is wrong, and masking "key" would eat the words of that sentence."""
    raw: dict[str, Any] = {"provider": {"name": "tiingo"}, "stock_ticker": "AAPL"}
    where = raw["provider"] if place == "in the block" else raw
    where["api_key"] = key
    with pytest.raises(ConfigError) as caught:
        Config.parse(raw)
    assert str(caught.value).startswith("provider.api_key is only a placeholder. Put your own in the provider block or")
    assert "tiingo.com/account/api/token" in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["stock_ticker", "provider", "start_date", "end_date", "adjustment", "requests_per_minute", "api_key"]


@given(st.dictionaries(st.sampled_from([*KEYS, "include_unfinished_session"]), JSON))
def test_it_answers_whatever_is_in_a_config_with_a_config_or_a_sentence(raw: dict[str, Any]) -> None:
    """A stack trace tells a user nothing."""
    try:
        assert Config.parse(raw).tickers
    except ConfigError as error:
        assert error.message and "\n" not in error.message


@given(
    st.fixed_dictionaries(
        {"stock_ticker": st.sampled_from(["AAPL", "AAPL, MSFT"]), "provider": st.just({"name": "sample"})},
        optional={
            "start_date": st.dates(max_value=date(2020, 1, 1)).map(date.isoformat),
            "end_date": st.dates(min_value=date(2021, 1, 1)).map(date.isoformat),
            "adjustment": st.sampled_from(["raw", "splits", "all"]),
            "include_unfinished_session": st.booleans(),
            "requests_per_minute": st.integers(1, 60_000),
            "num_workers": st.integers(1, 32),
        },
    )
)
def test_it_takes_every_config_that_the_spec_allows(raw: dict[str, Any]) -> None:
    """The form in the UI is the spec: what it lets through must work."""
    SPEC.validate(raw)
    assert Config.parse(raw)


NOT_SET = object()
"""Drawn for a key that is not in the config at all."""

KEYS_DRAWN = st.sampled_from([NOT_SET, None, "", "s3cr3t", " s3cr3t\n", "..."])
DAYS = st.sampled_from([NOT_SET, None, "", "2024-02-29", "2024-02-30", "29.02.2024"])
NUMBERS = st.sampled_from([NOT_SET, None, 0, 1, 5, 5.0, "5", 60, 61, True])
SETTINGS = {
    "api_key": KEYS_DRAWN,
    "api_secret": KEYS_DRAWN,
    "feed": st.sampled_from([NOT_SET, None, "", "iex", " sip"]),
    "base_url": st.sampled_from([NOT_SET, None, "", "https://example.com/", "example.com"]),
}
TEXTS = st.sampled_from([NOT_SET, None, "", "LSE"])
FORMS = {
    "stock_ticker": st.sampled_from(["AAPL", "AAPL; MSFT\nKO", ["AAPL", "MSFT"], "*", None]),
    "start_date": DAYS,
    "end_date": DAYS,
    "history_days": NUMBERS,
    "adjustment": st.sampled_from([NOT_SET, None, "", "raw", "splits", "all"]),
    "include_unfinished_session": st.sampled_from([NOT_SET, None, True, False, "yes"]),
    "requests_per_minute": NUMBERS,
    "recheck_sessions": NUMBERS,
    "num_workers": NUMBERS,
    "verify_with": st.sampled_from([TIINGO, {**TIINGO, "base_url": None}, {"name": "iex"}, {}, None, "tiingo"]),
    "verify_tickers": NUMBERS,
    "api_key": KEYS_DRAWN | st.just(7),
}


def usable(strategies: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Dictionaries without the keys that are not set."""
    return st.fixed_dictionaries(strategies).map(
        lambda drawn: {key: value for key, value in drawn.items() if value is not NOT_SET}
    )


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Configs in all the forms of the pages, with one odd value here and there."""
    name = draw(st.sampled_from([*PROVIDERS, *ALIASES]))
    strategies = {field.name: TEXTS for field in fields(PROVIDERS[ALIASES.get(name, name)])}
    strategies |= {key: strategy for key, strategy in SETTINGS.items() if key in strategies}
    own = draw(st.sets(st.sampled_from(sorted(strategies))))
    shown = draw(st.sets(st.sampled_from(sorted(FORMS)), max_size=4))
    config = {"stock_ticker": "AAPL", "api_key": "s3cr3t"}
    config |= draw(usable({key: FORMS[key] for key in sorted(shown)}))
    block = draw(usable({key: strategies[key] for key in sorted(own)}))
    provider = st.sampled_from([{"name": name, **block}] * 8 + [NOT_SET, None, {}, "sample"])
    return config | draw(usable({"provider": provider}))


@settings(max_examples=150, deadline=None)
@given(configs())
def test_it_takes_no_config_that_the_spec_refuses(raw: dict[str, Any]) -> None:
    """Airbyte and PyAirbyte hold a config against the spec: what works on the command line has to work there.

    But for a list of tickers, since a form has no field for a string or a list; it is handed on as a string.
    """
    try:
        Config.parse(raw)
    except ConfigError:
        return
    SPEC.validate(canonical(raw))
    if isinstance(raw["stock_ticker"], str):
        SPEC.validate(raw)


@pytest.mark.parametrize(
    "raw",
    [
        {"provider": {"name": "polygon", "api_key": "s3cr3t"}},
        {"provider": {"name": "polygon"}, "api_key": "s3cr3t"},
        {"provider": {"name": "alpaca", "api_secret": "s3cr3t", "feed": None}, "api_key": "s3cr3t"},
        {"provider": {"name": "twelve_data", "api_key": "s3cr3t", "exchange": "", "country": None, "base_url": ""}},
        {"provider": {"name": "sample", "base_url": None}, "start_date": "", "end_date": None, "adjustment": None},
        {"provider": {"name": "sample"}, "requests_per_minute": None, "num_workers": None, "recheck_sessions": None},
        {"provider": {"name": "sample"}, "history_days": None, "include_unfinished_session": None, "api_key": None},
        {"provider": {"name": "sample"}, "requests_per_minute": 5.0, "api_key": ""},
        {"provider": {"name": "sample"}, "verify_with": {"name": "polygon", "api_key": "s3cr3t", "base_url": None}},
    ],
)
def test_it_takes_former_names_keys_beside_a_provider_and_empty_fields_as_the_spec_does(raw: dict[str, Any]) -> None:
    """The pages and the sentences of the connector say that it may be written so."""
    raw = {"stock_ticker": "AAPL"} | raw
    SPEC.validate(raw)
    SPEC.validate(canonical(raw))
    assert Config.parse(raw) == Config.parse(canonical(raw))
