"""What Feishu does not take as a card."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.limits import Limits

TOP = {"schema", "config", "card_link", "header", "body", "i18n_header", "i18n_elements"}
CONFIG = {
    "streaming_mode", "streaming_config", "summary", "locales", "enable_forward", "enable_forward_interaction",
    "update_multi", "width_mode", "use_custom_translation", "style",
}  # fmt: skip
BODY = {
    "direction", "padding", "horizontal_spacing", "horizontal_align", "vertical_spacing", "vertical_align", "elements",
}  # fmt: skip
COMMON = {"tag", "element_id", "margin"}
PROPERTIES = {
    "markdown": COMMON | {"content", "text_align", "text_size", "text_color", "icon", "href", "i18n_content"},
    "hr": COMMON,
    "button": COMMON
    | {"type", "size", "width", "text", "icon", "hover_tips", "disabled", "disabled_tips", "confirm", "behaviors"}
    | {"name", "required", "form_action_type"},
    "column_set": COMMON
    | {"horizontal_align", "horizontal_spacing", "flex_mode", "background_style", "columns", "action"},
}
GONE_IN_2_0 = {"action", "note"}
ELEMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}")
CODE = re.compile(r"(```|~~~).*?(\1|\Z)|`[^`\n]*`", re.DOTALL)
TABLE = re.compile(r"^[^\n]*\|[^\n]*\n[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
AT = re.compile(r"<at\b([^>]*)>")
AT_ID = re.compile(r"""\bid\s*=\s*["']?([^"'\s/>]+)""")
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]*)[^)]*\)")


class BadCard(Exception):
    """With the inner error code that Feishu has for it."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg

    def in_message(self) -> Refused:
        """What sending or patching a message answers."""
        return Refused(230099, f"Failed to create card content, ext=ErrCode: {self.code}; ErrMsg: {self.msg};")

    def in_cardkit(self) -> Refused:
        """What CardKit answers."""
        return self.in_message() if self.code == 11310 else Refused(self.code, f"ErrMsg: {self.msg};")


@dataclass(frozen=True, slots=True)
class CardRules:
    limits: Limits
    knows: Callable[[str], bool]
    """Whether there is somebody with this open_id."""

    def check(self, card: Mapping[str, Any]) -> None:
        """
        Raises:
            BadCard
        """
        if card.get("schema") != "2.0":
            self._check_text(list(texts(card)))
            return
        _only(card, TOP, "card")
        _only(card.get("config") or {}, CONFIG, "config")
        body = card.get("body")
        if not isinstance(body, dict) or not isinstance(body.get("elements"), list):
            raise BadCard(200621, "parse card json err, please check whether the card json is correct")
        _only(body, BODY, "body")
        if card.get("config", {}).get("update_multi") is False:
            raise BadCard(300302, "card does not support update_multi false")
        self._check_elements(list(elements(card)))
        self._check_text(list(texts(card)))
        if size(card) > self.limits.card_bytes:
            raise BadCard(200860, "card content exceeds the limit")

    def _check_elements(self, found: list[Json]) -> None:
        if len(found) > self.limits.card_elements:
            raise BadCard(300305, "element exceeds the limit")
        ids = [one["element_id"] for one in found if "element_id" in one]
        if len(ids) != len(set(ids)):
            raise BadCard(300301, "Duplicate element_id in card component")
        for one in found:
            if one["tag"] in GONE_IN_2_0:
                msg = f"cards of schema V2 no longer support this capability; ErrorValue: unsupported tag {one['tag']}"
                raise BadCard(200861, msg)
            if "element_id" in one and not ELEMENT_ID.fullmatch(str(one["element_id"])):
                raise BadCard(300300, f"element_id {one['element_id']!r} is not valid")
            _only(one, PROPERTIES.get(one["tag"], set(one)), one["tag"])
            for behavior in one.get("behaviors") or []:
                if behavior.get("type") == "callback" and not isinstance(behavior.get("value"), dict):
                    raise BadCard(200672, "the value of a callback must be an object")
        if sum(one["tag"] == "table" for one in found) > self.limits.card_tables:
            raise BadCard(11310, "card table number over limit")

    def _check_text(self, found: list[str]) -> None:
        bare = [CODE.sub("", text) for text in found]
        if sum(len(TABLE.findall(text)) for text in bare) > self.limits.card_tables:
            raise BadCard(11310, "card table number over limit")
        for text in bare:
            for at in AT.finditer(text):
                named = AT_ID.search(at.group(1))
                if named is None or not (named.group(1) == "all" or self.knows(named.group(1))):
                    raise BadCard(100290, "at invalid user_id in card content")
            for image in IMAGE.finditer(text):
                if not image.group(1).startswith("img_"):
                    raise BadCard(200570, "card contains invalid image keys")


def elements(card: Mapping[str, Any]) -> Iterator[Json]:
    """Everything in the body that has a tag, however deep; texts of buttons are no elements."""
    yield from _walk(card.get("body", card).get("elements", []))


def _walk(value: Any) -> Iterator[Json]:
    if isinstance(value, list):
        for one in value:
            yield from _walk(one)
    elif isinstance(value, dict):
        if "tag" in value and value["tag"] not in ("plain_text", "lark_md"):
            yield value
        for name, one in value.items():
            if name != "behaviors":
                yield from _walk(one)


def texts(card: Mapping[str, Any]) -> Iterator[str]:
    """All that is read as Markdown."""
    for one in elements(card):
        inner = one.get("text")
        if one["tag"] == "markdown":
            yield str(one.get("content", ""))
        elif isinstance(inner, dict) and inner.get("tag") == "lark_md":
            yield str(inner.get("content", ""))


def size(card: Mapping[str, Any]) -> int:
    return len(json.dumps(card, ensure_ascii=False).encode())


def element_of(card: Mapping[str, Any], element_id: str) -> Json | None:
    return next((one for one in elements(card) if one.get("element_id") == element_id), None)


def _only(found: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := set(found) - known:
        raise BadCard(200621, f"parse card json err; ErrorValue: unknown property {sorted(unknown)[0]} of {where}")
