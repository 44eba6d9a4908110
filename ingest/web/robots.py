"""
robots.txt as RFC 9309 has it: the longest rule that matches decides, and `*` and `$` have their meaning.

urllib.robotparser, up to Python 3.13 at least, knows neither: the first rule decides there, and "/*?action=edit", as
wikis write it, would not be heeded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from ingest.web.addresses import normal_escapes

MAX_ROBOTS_BYTES = 500 * 1024
"""What RFC 9309 (2.5) wants to be read at least; the rest is not."""
MAX_CRAWL_DELAY_S = 30.0

_TOKEN = re.compile(r"[a-z_-]+|\*")
_KEPT = "/%?#[]@!$&'()*+,;=:-._~"


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is a path's beginning, with its wildcards."""

    pattern: str
    is_allowed: bool

    def matches(self, target: str) -> bool:
        """By finding part after part, for a time that does not grow with the number of asterisks."""
        pattern = self.pattern
        is_whole = pattern.endswith("$")
        first, *parts = pattern.removesuffix("$").split("*")
        if not target.startswith(first):
            return False
        position = len(first)
        last = parts.pop() if is_whole and parts else None
        for part in parts:
            found = target.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        if last is not None:
            return len(target) - len(last) >= position and target.endswith(last)
        return not is_whole or position == len(target)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site asks of one crawler; none at all means that everything may be read."""

    rules: tuple[Rule, ...] = ()
    delay_s: float = 0.0
    """Crawl-delay, cut to `MAX_CRAWL_DELAY_S`."""

    def allows(self, target: str) -> bool:
        """`target` is path and query. Of two rules as long as each other the one that allows counts."""
        matching = [rule for rule in self.rules if rule.matches(target)]
        return not matching or max(matching, key=lambda rule: (len(rule.pattern), rule.is_allowed)).is_allowed


@dataclass(slots=True)
class _Group:
    rules: list[Rule] = field(default_factory=list)
    delay_s: float = 0.0


def parse_robots(data: bytes, agent: str) -> Rules:
    """The rules for the crawler named `agent`, in small letters: its own groups', or else those for all ("*")."""
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    agents: set[str] = set()
    is_heading = False
    for key, value in _lines(data[:MAX_ROBOTS_BYTES]):
        if key == "user-agent":
            token = _TOKEN.match(value.lower())
            agents = (agents if is_heading else set()) | ({token[0]} if token else set())
            is_heading = True
            for name in agents:
                groups[name]  # a group without rules is one all the same: it allows everything
        elif key in ("allow", "disallow", "crawl-delay"):
            is_heading = False
            for name in agents & {agent, "*"}:
                _add(groups[name], key, value)
    group = groups[agent] if agent in groups else groups["*"]
    return Rules(tuple(group.rules), group.delay_s)


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    for line in data.decode("utf-8-sig", "replace").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _add(group: _Group, key: str, value: str) -> None:
    if key == "crawl-delay":
        group.delay_s = max(group.delay_s, _seconds(value))
    elif value:
        # as the address is written that it is compared with
        group.rules.append(Rule(normal_escapes(quote(value, safe=_KEPT)), key == "allow"))


def _seconds(value: str) -> float:
    return min(float(value), MAX_CRAWL_DELAY_S) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value) else 0.0
