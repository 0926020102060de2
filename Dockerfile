ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.0.2@sha256:9fdb1888c4264cf6fee473649ecb593f56f58e5d0096a87ee0b231777e2e3e73

FROM ${BASE_IMAGE} AS builder
# Only /opt/connector is copied from this stage into the image.
# hadolint ignore=DL3002
USER root
WORKDIR /build
COPY LICENSE constraints.txt pyproject.toml scripts/sbom.py setup.py ./
COPY source_stock_prices source_stock_prices
# `make image` passes your pip settings, such as a private package index, as a build secret: none end up in the image.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=cert \
    python3 -m venv /opt/connector \
    && /opt/connector/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && /opt/connector/bin/pip install --no-cache-dir --no-compile --constraint constraints.txt dist/*.whl \
    && /opt/connector/bin/pip uninstall --yes pip \
    && /opt/connector/bin/python sbom.py >/opt/connector/sbom.cdx.json
# The airbyte user cannot write bytecode: everything is compiled here, once, and never checked against the sources.
RUN /opt/connector/bin/python -m compileall -f -q -j 0 -x '/tests?/' --invalidation-mode unchecked-hash /opt/connector/lib

FROM ${BASE_IMAGE}
# Python's official images ship the standard library without bytecode, so each start would have to compile it again.
USER root
RUN python3 -m compileall -f -q -j 0 -x '/(site-packages|tests?)/' --invalidation-mode unchecked-hash \
    "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')"
COPY --from=builder /opt/connector /opt/connector
USER airbyte
WORKDIR /airbyte
# Without these, each worker thread would keep a heap as large as the largest answer it read.
ENV MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072
ENV AIRBYTE_ENTRYPOINT="/opt/connector/bin/source-stock-prices"
ENTRYPOINT ["/opt/connector/bin/source-stock-prices"]
LABEL io.airbyte.name="source-stock-prices" io.airbyte.version="0.1.0"
