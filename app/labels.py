"""What may be said of documents when they are ingested, so that searches can filter by it."""

from __future__ import annotations

import json
from typing import Any

from ingest.documents import ChunkMetadata

OWN_NAMES = frozenset({*ChunkMetadata.__annotations__, "member", "crawl", "feishu"})
"""Words that larkwise says itself of every chunk."""
_MAX_LABELS = 50


class InvalidLabels(Exception):
    """They cannot be kept; the message says what is wrong."""


def check_name(name: str) -> None:
    """
    Raises:
        InvalidLabels: no label can be called so.
    """
    if not name.isidentifier():
        raise InvalidLabels(f"{name[:80]!r} cannot name a label: use letters, digits and '_'")
    if name in OWN_NAMES:
        raise InvalidLabels(f"{name!r} is a word that larkwise uses itself")


def labels_of(text: str) -> dict[str, Any]:
    """
    Labels as JSON: an object of texts, numbers, true or false, or lists of them.

    Raises:
        InvalidLabels: it is anything else.
    """
    try:
        labels = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidLabels('labels must be a JSON object, for example {"team": "hr"}') from error
    if not isinstance(labels, dict) or len(labels) > _MAX_LABELS:
        raise InvalidLabels(f"labels must be a JSON object of at most {_MAX_LABELS} names")
    for name, value in labels.items():
        check_name(name)
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(one, str | int | float | bool) for one in values):
            raise InvalidLabels(f"the label {name!r} must be a text, a number, true or false, or a list of them")
    return labels


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
