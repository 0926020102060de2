ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.0.2@sha256:9fdb1888c4264cf6fee473649ecb593f56f58e5d0096a87ee0b231777e2e3e73

FROM ${BASE_IMAGE} AS builder
# Of this stage only /opt/connector is kept.
# hadolint ignore=DL3002
USER root
WORKDIR /build
COPY LICENSE pyproject.toml setup.py ./
COPY source_stock_prices source_stock_prices
# A package index of your own comes as a secret: `make image` hands over pip's settings, the image keeps none of them.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=cert \
    python3 -m venv /opt/connector \
    && /opt/connector/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && /opt/connector/bin/pip install --no-cache-dir --no-compile dist/*.whl \
    && /opt/connector/bin/pip uninstall --yes pip
# The user below cannot write byte code, so all of it is made here, once, and never checked against the sources again.
RUN /opt/connector/bin/python -m compileall -f -q -j 0 -x '/tests?/' --invalidation-mode unchecked-hash /opt/connector/lib

FROM ${BASE_IMAGE}
# Images of Python leave out the byte code of its library, which every start would then make again.
USER root
RUN python3 -m compileall -f -q -j 0 -x '/(site-packages|tests?)/' --invalidation-mode unchecked-hash \
    "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')"
COPY --from=builder /opt/connector /opt/connector
USER airbyte
WORKDIR /airbyte
ENV AIRBYTE_ENTRYPOINT="/opt/connector/bin/source-stock-prices"
ENTRYPOINT ["/opt/connector/bin/source-stock-prices"]
LABEL io.airbyte.name="source-stock-prices" io.airbyte.version="0.1.0"
