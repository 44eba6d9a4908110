"""When evidence is proof: by its words, or where these leave it open by its nearness in meaning."""

from __future__ import annotations

from chains.citing.alignment import weight
from chains.citing.evidence import Evidence, Said

COVERED, NEARLY_COVERED = 0.75, 0.65
"""The share of what a claim adds to the question that a passage must have, with its title and headings."""
QUOTED = 0.5
"""... and that the quote must have by itself."""
GROUNDED, NEARLY_GROUNDED = 0.8, 0.5
"""The share of what a claim repeats of the question that must have been said by the end of its quote."""
FITTING = 1.5
"""How well a quote must fit the question, of 2.5, where the claim is too short to say what it is about."""
_LOOSER, _LOOSEST, _SHORT = 0.08, 0.3, 6.0
"""What a claim of more than `_SHORT` (three words) has in common with a passage is less and less an accident."""
_LONG = 8.0
"""A claim of so much is proved by its own words where those of the question are in another language."""

PARAPHRASED, SAME_SUBJECT, FITTING_AND_NEAR, ASKED_ACROSS = 0.7, 0.62, 2.5, 0.35
"""The cosines that make good what a passage lacks in coverage, in ground, in fit, or in the question's language."""


def proves(one: Evidence, said: Said) -> bool:
    """Whether the passage has what is claimed, by its words alone."""
    return _covers(one) and _fits(one, said)


def nearly_proves(one: Evidence, said: Said) -> bool:
    """Whether it would, were it near enough in meaning."""
    if not _covers(one):
        return one.covered >= NEARLY_COVERED and one.quoted >= QUOTED and _fits(one, said)
    return one.crosses or said.leans or one.grounded >= NEARLY_GROUNDED


def is_near_enough(one: Evidence, said: Said, cosine: float) -> bool:
    """Whether it is, for one that nearly proves the claim."""
    if not _covers(one):
        return cosine >= PARAPHRASED
    if one.crosses:
        return cosine >= ASKED_ACROSS
    return _fit(one) + 2 * cosine >= FITTING_AND_NEAR if said.leans else cosine >= SAME_SUBJECT


def _covers(one: Evidence) -> bool:
    return one.covered >= COVERED and one.quoted >= QUOTED


def _fits(one: Evidence, said: Said) -> bool:
    if not said.shared:
        return True
    if one.crosses:
        return weight(said.added) >= _LONG
    if said.leans:
        return _fit(one) >= max(_LOOSEST, FITTING - _LOOSER * max(0.0, weight(said.added) - _SHORT))
    return one.grounded >= GROUNDED and _fit(one) >= 1.0


def _fit(one: Evidence) -> float:
    return one.fitting + one.grounded / 2
