"""
What a filter asks, as an expression that Milvus applies before its search.

Milvus compares values inside JSON by their JSON types, has no "any element of this list is larger than", and its
engines differ on missing keys. So a chunk's row carries, beside its metadata, what filters ask of it: its `facets`.

    {"has": ['["page"]', '["page",3]'],   every key, and every key with every value, as canonical JSON
     "low": {"page": 3}, "high": {"page": 3},      the smallest and largest number behind a key
     "first": {…}, "last": {…}}                    the first and last text behind it

Only texts and numbers written here reach an expression: texts as escaped literals, keys inside them or as names of
letters and digits.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingest.errors import InvalidFilter
from ingest.stores.filters import check_filter
from ingest.stores.milvus_names import escaped

EVERYTHING = 'id != ""'
NOTHING = 'id == ""'
PERMISSION = "permission"
_LARGEST_INTEGER = 2**63 - 1
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_COMPARISONS: Mapping[str, tuple[str, str, str]] = {
    "$gt": (">", "high", "last"),
    "$gte": (">=", "high", "last"),
    "$lt": ("<", "low", "first"),
    "$lte": ("<=", "low", "first"),
}
"""An operator, and the facet of numbers and of texts that it is asked of: one element of a list will do."""


def facets_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What filters ask of a chunk with this metadata."""
    facets: dict[str, Any] = {"has": [], "low": {}, "high": {}, "first": {}, "last": {}}
    for key, value in metadata.items():
        values = value if isinstance(value, list) else [value]
        facets["has"] += [_canonical([key]), *dict.fromkeys(_canonical([key, one]) for one in values)]
        numbers = [_number(one) for one in values if isinstance(one, int | float) and not _is_nan(one)]
        texts = [one for one in values if isinstance(one, str)]
        if numbers:
            facets["low"][escaped(key)], facets["high"][escaped(key)] = min(numbers), max(numbers)
        if texts:
            facets["first"][escaped(key)], facets["last"][escaped(key)] = min(texts), max(texts)
    return facets


def permissions_of(metadata: Mapping[str, Any]) -> list[str]:
    """The texts behind "permission", which stand in a field of their own."""
    value = metadata.get(PERMISSION)
    return list(dict.fromkeys(one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)))


def expression(wanted: Mapping[str, Any]) -> str:
    """
    The same as `ingest.stores.filters.matches`, for Milvus.

    Raises:
        InvalidFilter: an operator is not known, or its value is of the wrong kind.
    """
    check_filter(wanted)
    conditions = [
        _condition(key, name, value)
        for key, condition in wanted.items()
        for name, value in _operators(condition).items()
    ]
    return " and ".join(f"({one})" for one in conditions) or EVERYTHING


def literal(text: str) -> str:
    """A text as both Milvus and Milvus Lite read it back."""
    return f'"{text.translate(_ESCAPES)}"'


def among(field: str, texts: Iterable[str]) -> str:
    """A field of text that is one of these."""
    return f"{field} in [{', '.join(map(literal, texts))}]"


def _operators(condition: Any) -> Mapping[str, Any]:
    if isinstance(condition, Mapping):
        return condition
    return {"$in" if isinstance(condition, list | tuple | set | frozenset) else "$eq": condition}


def _condition(key: str, name: str, value: Any) -> str:
    if name == "$exists":
        known = _has([_canonical([key])])
        return known if value else f"not ({known})"
    if name in ("$eq", "$in"):
        return _one_of(key, value if name == "$in" else [value])
    if name in ("$ne", "$nin"):
        return f"not ({_one_of(key, value if name == '$nin' else [value])})"
    return _compared(key, name, value)


def _one_of(key: str, values: Iterable[Any]) -> str:
    values = list(values)
    if key == PERMISSION and values and all(isinstance(one, str) for one in values):
        return f"array_contains_any({PERMISSION}, [{', '.join(map(literal, values))}])"
    elements = []
    for value in values:
        try:
            elements.append(_canonical([key, value]))
        except (TypeError, ValueError):  # nothing in JSON is equal to it
            continue
    return _has(elements)


def _has(elements: Sequence[str]) -> str:
    if not elements:
        return NOTHING
    return f'json_contains_any(facets["has"], [{", ".join(map(literal, elements))}])'


def _compared(key: str, name: str, value: Any) -> str:
    sign, of_numbers, of_texts = _COMPARISONS[name]
    if isinstance(value, str):
        return f'facets["{of_texts}"]["{escaped(key)}"] {sign} {literal(value)}'
    if not isinstance(value, int | float):
        return NOTHING  # neither more nor less than anything
    if _is_nan(value):
        raise InvalidFilter(f"the filter for {key!r} compares with what is no number")
    return f'facets["{of_numbers}"]["{escaped(key)}"] {sign} {_number(value)!r}'


def _canonical(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Values that Python calls equal become the same JSON: True is 1, and 3.0 is 3."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _number(value: float) -> int | float:
    if abs(value) <= _LARGEST_INTEGER:
        return value + 0  # True becomes 1
    return float(max(-sys.float_info.max, min(sys.float_info.max, value)))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
