"""What uv is told of pip's configuration, of which it reads nothing itself."""

from __future__ import annotations

import pytest

from scripts import install

LISTED = r"""
:env:.cert='/certificates/company.pem'
:env:.disable-pip-version-check='1'
global.cert='/certificates/other.pem'
global.extra-index-url='\nhttps://one.example.com/simple\nhttps://two.example.com/simple'
global.find-links='wheels more-wheels'
global.index-url='https://index.example.com/simple'
global.timeout='15'
install.timeout='60'
install.trusted-host='one.example.com'
list.format='columns'
"""


def environment(listed: str, present: dict[str, str] | None = None) -> dict[str, str]:
    return install.environment_of(install.settings_of(listed), present or {})


def test_it_hands_on_indexes_certificates_and_time_outs() -> None:
    """Several indexes are one to pip, which takes the newest of all; a variable wins over a file."""
    found = environment(LISTED)
    assert found["UV_INDEX_URL"] == "https://index.example.com/simple"
    assert found["UV_EXTRA_INDEX_URL"] == "https://one.example.com/simple https://two.example.com/simple"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert found["UV_FIND_LINKS"] == "wheels,more-wheels"
    assert found["UV_INSECURE_HOST"] == "one.example.com"
    assert found["SSL_CERT_FILE"] == "/certificates/company.pem"
    assert found["UV_HTTP_TIMEOUT"] == "60"


def test_it_trusts_what_the_system_trusts() -> None:
    """uv comes with certificates of its own, which no company's proxy is in."""
    assert environment("")["UV_SYSTEM_CERTS"] == "1"
    assert environment("", {"REQUESTS_CA_BUNDLE": "/c.pem"})["SSL_CERT_FILE"] == "/c.pem"


def test_it_leaves_the_settings_of_uv_alone() -> None:
    """Who has set uv up has done so on purpose."""
    found = environment(LISTED, {"UV_INDEX_URL": "https://mine.example.com/simple"})
    assert found["UV_INDEX_URL"] == "https://mine.example.com/simple"


def test_it_leaves_to_pip_what_uv_may_not_know() -> None:
    """Another package than the one that was asked for is worse than a minute."""
    with pytest.raises(install.UnknownSettingError, match="require-hashes"):
        environment("global.require-hashes='true'")


@pytest.mark.parametrize(("has_uv", "uv_works", "with_pip"), [(True, True, 0), (True, False, 1), (False, True, 1)])
def test_it_falls_back_to_pip(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has_uv: bool, uv_works: bool, with_pip: int
) -> None:
    """Where uv cannot be had or fails, the environment is set up all the same, and it is said that it takes longer."""
    asked: list[list[str]] = []
    monkeypatch.setattr(install, "has_uv", lambda: has_uv)
    monkeypatch.setattr(install, "with_uv", lambda arguments, environment: uv_works)
    monkeypatch.setattr(install, "with_pip", lambda arguments: asked.append(arguments) or 0)
    assert install.main(["--editable", "."]) == 0
    assert asked == [["--editable", "."]] * with_pip
    assert ("with pip" in capsys.readouterr().out) is bool(with_pip)
