"""What an English follow-up leans on: "it", "what about", a question without its subject."""

from __future__ import annotations

import re

from chains.language import terms
from chains.rewriting.names import NAME, in_its_place, names, shape


def _any_of(words: str) -> str:
    return rf"(?<![\w-])(?:{'|'.join(words.split())})(?![\w-])"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_NAME = f"(?-i:{NAME['en']})"
_PHYSICAL = (
    "weight height length width depth size temperature consumption voltage speed bandwidth capacity memory noise"
)
_IS_PHYSICAL = _compiled(rf"{_any_of(_PHYSICAL)}$")
_IS_MEASURE = _compiled(rf"{_any_of(_PHYSICAL + ' price cost fee warranty limit period lifetime version')}$")
_AUXILIARY = "is are was were do does did has have can could will would should may must"
_ASKING = "what who whose when where why how which"

_LEAD = _compiled(r"(?:(?:and|also|then|but|so|ok(?:ay)?|well)\b[,\s]*)+")
_WHAT_ABOUT = _compiled(
    r"(?:(?:and|but|so)\s+)?(?:(?:what|how) about|and(?:\s+(?:for|with|in|on))?)\s+"
    rf"(?!{_any_of(f'{_ASKING} {_AUXILIARY}')})(?P<slot>[^,?]{{1,40}}?)\s*\?*"
)
_EMPTY = _compiled(
    r"\b(?:is|was|would) it (?:be )?"
    rf"{_any_of('possible true allowed necessary ok okay safe required mandatory likely normal worth correct')}"
    r"|\bdoes it (?:matter|take)\b|\b(?:this|these|that) (?:day|week|month|quarter|year)s?\b"
)
"""An "it" or "this" that points to nothing."""
_PRONOUN = _compiled(
    r"\b(?:(?P<thing>(?-i:[Ii]ts?))|(?P<person>he|she|him|his|her)|(?P<many>they|them|their))\b"  # IT is a department
)
_POINTS_BACK = _compiled(
    rf"{_any_of('this these those ones? another instead else neither both hers theirs')}"
    rf"|\bthe {_any_of('same former latter other others first second')}"
    rf"|{_any_of('about for after before like do does is was')} that\b|\bsimilar\b(?! to)|\bany (?:related|of)\b"
    r"|\b(?:that|that one|there|too|either|as well)$|^(?:why not|since when)\b"
    rf"|{_any_of('differ different compare better worse cheaper faster slower larger smaller older newer')}$"
)
_DEFINITE_OR_OTHER = _compiled(r"\bthe [\w ]+$|\bother\b|^(?:are|is) there\b")
_COMPLEMENT = _compiled(_any_of("of for in on at to with about than from"))
_DEFINED = _compiled(
    r"(?:(?:what|who) (?P<be>is|are|was|were)|tell me (?:more |something )?about|describe|explain) "
    r"(?P<what>(?!it\b|this\b|that\b|there\b|new\b|wrong\b)\w[\w .-]{1,40}?)"
)
_NOT_ONE_THING = _compiled(
    _any_of(f"of for in on at and or between about like to with worth from its? their {_ASKING}")
)
_Y_OF_X = _compiled(
    rf"what(?:['’]s| is| was| are) the (?P<attribute>[a-z -]{{3,30}}?) (?:of|for) (?:the |an? )?{_NAME}$"
)
_NEW_CLAUSE = _compiled(
    rf"(?:,|{_any_of('when if after before until because while and once so that')})\s*(?:\w+\s+){{0,2}}$"
)
_SOMEBODY = _compiled(
    rf"{_any_of('employee manager customer engineer user person someone anyone people')}"
    r"|\b(?!happens|needs|means|makes|takes)[a-z]{4,}s\b"
)
_GOVERNS = _compiled(rf"{_any_of('on in for with from of to at by per into under')}\s+(?:the |an? )?$")
_INVERTED = _compiled(rf"{_any_of(_AUXILIARY)} (?:the |an? )?$")
_VERBS = "needed need require cost work run come weigh last start stop still also or and"
_NOUN_FOLLOWS = _compiled(rf" (?!{_any_of(f'{_AUXILIARY} {_VERBS}')})[a-z]")
_MANY_FOLLOW = _compiled(r" (?!is\b|was\b|has\b|does\b)[a-z]+s\b")
_FEW, _SOME = 2, 3


def made_whole(question: str, before: str) -> str | None:
    """The question with what it leans on, from the one before; None where that cannot be told."""
    before = before.rstrip("?. ")
    slot = _WHAT_ABOUT.fullmatch(question)
    bare = question.rstrip("?! ")
    if slot or (re.fullmatch(_NAME, bare) and shape(bare) == "numbered"):
        return _asked_of(slot["slot"] if slot else bare, before)
    lead = _LEAD.match(question)
    rest = question[lead.end() :] if lead else question
    told = _EMPTY.sub(lambda empty: "_" * len(empty.group()), rest).rstrip("?. ")
    if pronoun := _PRONOUN.search(told):
        return question if _has_its_own(rest, pronoun) else _replaced(rest, pronoun, before)
    return question if _stands(told, before) else None


# "What about X?"


def _asked_of(slot: str, before: str) -> str | None:
    if possessive := re.match(r"(?P<whose>its|their|his|her) (?P<what>.+)", slot, re.IGNORECASE):
        owner = _meant(possessive["whose"].lower(), before, owns=True)
        return f"What about {_possessive(owner)} {possessive['what']}?" if owner else None
    slot = re.sub(r"^(?:the|an?) ", "", slot, flags=re.IGNORECASE)
    if named := re.fullmatch(rf"(?P<name>{_NAME})(?P<kind>(?: [a-z]+)?)", slot):
        whole = in_its_place(named["name"], before)
        return f"{whole}?" if whole and named["name"] + named["kind"] in whole else None
    if _IS_MEASURE.search(slot) and re.fullmatch(r"[a-z]+(?: [a-z]+)?", slot):
        owner = _thing(before, owns=True)
        return f"What is the {slot} of {owner}?" if owner else None
    return None


# Questions without a pronoun


def _stands(told: str, before: str) -> bool:
    if _POINTS_BACK.search(told):
        return False
    if names(told) or _defined(told):
        return True
    nouns_before = set(re.findall("[a-z]+", before.lower()))
    if any(noun in nouns_before for noun in re.findall(r"\bthe ([a-z]+)", told)):
        return False  # "the card", after a question about some card
    said = len(terms(told))
    points = _DEFINITE_OR_OTHER.search(told)
    return said >= _SOME or (said >= _FEW and (points is None or _COMPLEMENT.search(points.group()) is not None))


# It, its, she, they


def _has_its_own(rest: str, pronoun: re.Match[str]) -> bool:
    """The pronoun means what the same question has named: "If an employee loses a badge, who should they ask?"."""
    ahead = rest[: pronoun.start()]
    if pronoun["thing"]:
        return bool(names(ahead)) and _NEW_CLAUSE.search(ahead) is not None
    return _SOMEBODY.search(ahead) is not None or (pronoun["person"] is not None and bool(names(ahead)))


def _replaced(rest: str, pronoun: re.Match[str], before: str) -> str | None:
    ahead, behind = rest[: pronoun.start()], rest[pronoun.end() :]
    said = pronoun.group().lower()
    owns = said in ("its", "his", "their") or (said == "her" and re.match(" [a-z]", behind) is not None)
    named = None if names(ahead) else _meant(said, before, owns=owns)
    if named is None:
        return None
    whole = ahead + (_possessive(named) if owns else named) + behind
    return whole[0].upper() + whole[1:]


def _possessive(name: str) -> str:
    return name + ("'" if name.endswith("s") else "'s")


def _meant(pronoun: str, before: str, *, owns: bool) -> str | None:
    if pronoun in ("they", "them", "their"):
        what = _defined(before)
        return what if what and _is_many(what, before) else None
    return _thing(before, owns=owns) if pronoun in ("it", "its") else _person(before)


def _thing(before: str, *, owns: bool) -> str | None:
    """What "it" is: X where the Y of X was asked for, if Y is a measure, as that does nothing and owns nothing."""
    if before.lower().startswith("who"):
        return None
    if what := _defined(before):
        return None if _is_many(what, before) else what
    asked = _Y_OF_X.match(before)
    is_measure = _IS_MEASURE if owns else _IS_PHYSICAL
    if asked and not is_measure.search(asked["attribute"]):
        return None
    return _only_name(before, may_be_governed=asked is not None)


def _person(before: str) -> str | None:
    named = re.match(rf"(?:who|where|when)\b[a-z ]*? (?P<who>{_NAME})\b", before, re.IGNORECASE)
    return named["who"] if named and names(before) == [named["who"]] and shape(named["who"]) == "plain" else None


def _defined(question: str) -> str | None:
    """What is asked about as such: "What is phishing?"."""
    asked = _DEFINED.fullmatch(question)
    if not asked or _NOT_ONE_THING.search(asked["what"]):
        return None
    is_known = not asked["what"].startswith("the ") or names(asked["what"])
    return asked["what"] if is_known else None


def _is_many(what: str, question: str) -> bool:
    asked = re.match(r"(?:what|who) (is|was|are|were)\b", question, re.IGNORECASE)
    return asked[1].lower() in ("are", "were") if asked else re.search("[^s]s$", what) is not None


def _only_name(before: str, *, may_be_governed: bool) -> str | None:
    """The only name, unless it but belongs to what was asked about: "LC-200 cards", "the fan of the LC-200"."""
    found = names(before)
    if len(found) != 1:
        return None
    name = found[0]
    ahead, _, behind = before.partition(name)
    belongs = re.match("['’]?s", behind) or (not may_be_governed and _GOVERNS.search(ahead))
    is_part_of_a_noun = _MANY_FOLLOW.match(behind) or (
        shape(name) == "plain" and not _INVERTED.search(ahead) and _NOUN_FOLLOWS.match(behind)
    )
    if belongs or is_part_of_a_noun:
        return None
    return f"the {name}" if re.search(r"\bthe $", ahead, re.IGNORECASE) else name
