"""The CDK's standard tests, on the configs of acceptance-test-config.yml."""

from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from source_stock_prices import SourceStockPrices


class TestStandard(SourceTestSuiteBase):
    """What every Airbyte source has to do."""

    connector = SourceStockPrices
