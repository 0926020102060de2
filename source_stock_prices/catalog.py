"""Every shape of catalog that people have at hand, as the configured one that the CDK reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

INCREMENTAL, FULL_REFRESH = "incremental", "full_refresh"


def configured(content: Any) -> Any:
    """A configured catalog, made of a catalog, a message with one, or the lines that `discover` writes.

    From a catalog that is not configured, every stream is read: incrementally where it can be, and deduplicated where
    it has a primary key. Anything else is returned as it is.
    """
    if isinstance(content, list):
        content = _catalog_message(content)
    if isinstance(content, Mapping) and content.get("type") == "CATALOG":
        content = content.get("catalog")
    if not isinstance(content, Mapping) or not isinstance(content.get("streams"), list):
        return content
    streams = []
    for stream in content["streams"]:
        is_configured = not isinstance(stream, Mapping) or "name" not in stream
        streams.append(stream if is_configured else _chosen(stream))
    return {**content, "streams": streams}


def _catalog_message(messages: Sequence[Any]) -> Any:
    for message in messages:
        if isinstance(message, Mapping) and message.get("type") == "CATALOG":
            return message
    return messages


def _chosen(stream: Mapping[str, Any]) -> dict[str, Any]:
    key = stream.get("source_defined_primary_key") or []
    is_incremental = INCREMENTAL in (stream.get("supported_sync_modes") or [])
    chosen = {
        "stream": {"json_schema": {}, "supported_sync_modes": [FULL_REFRESH], **stream},
        "sync_mode": INCREMENTAL if is_incremental else FULL_REFRESH,
        "destination_sync_mode": "overwrite",
        "cursor_field": stream.get("default_cursor_field") or [],
        "primary_key": key,
    }
    if is_incremental:
        chosen["destination_sync_mode"] = "append_dedup" if key else "append"
    return chosen
