"""What a Chinese follow-up leans on: 它, 那…呢, a question without its subject."""

from __future__ import annotations

import re

from chains.language import terms
from chains.rewriting.names import HAN, NAME, in_its_place, names, only, shape

_NAME = NAME["zh"]
_PHYSICAL = (
    "(?:温度|功耗|重量|尺寸|体积|[高长宽厚]度|容量|功率|电压|电流|速度|频率|主频|带宽|显存|内存|算力"
    "|噪音|延迟|精度|颜色)"
)
_MEASURE = (
    rf"(?:{_PHYSICAL}|价格|单价|费用|成本|保修期|有效期|期限|周期|上限|下限|额度|数量|天数|次数|比例|标准|寿命|版本)"
)
_RELATION = (
    rf"(?:{_MEASURE}|保修|负责人|联系人|审批人|电话|邮箱|地址|截止日期|流程|条件|步骤|材料|[优缺特]点|好处|作用|用途|功能"
    "|区别|原因|类型|种类|含义|参数|规格|默认值|历史|作者|例子)"
)
"""Nouns that are always something's."""
_PERSON = r"(?:员工?|职工|学生|实习生|医生|人|者|师|经理|主管|总监|主任|同事|客户|家属|领导)"
_SURNAME = "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘]"
_NO_NOUN = re.compile("[我你您它他她这那哪谁没不了过着完被把能会]|公司|怎|如何|什么|是否|可以|需要")
_OPENING = r"(?:请问|那么?|另外|对了)?[，,\s]*"
_DEFINED = re.compile(
    r"(?:请问|请|你?(?:知道|认识|听说过)|介绍一?下|解释一?下|什么是|谁是)+(?P<asked>[^的，,。？?]{2,16}?)"
    r"(?:是什么|是谁|吗|么)?[。？?]*"
    r"|(?P<named>[^的，,。？?]{2,12}?)(?:是什么(?:意思)?|是谁|是干什么的)[？?]*"
)
_X_OF_Y = re.compile(
    rf"{_OPENING}(?P<subject>{_NAME}|{HAN}{{2,10}}?)\s*(?P<of>的?)\s*(?P<attribute>[^的，,？?\s]{{1,12}}?)\s*"
    r"(?=一共|大约|最|是|有|为|多|几|怎|如何|需要|要|能|可以|会|在|每|什么|[？?]|$)"
)
_ABOUT_THE_MEASURE = re.compile(
    "延长|缩短|提高|降低|调|改|超|增|减|这么|那么|太|够|合理|正常|怎么[算测]|含|包括|指|意思"
)

_LEAD = re.compile(r"(?:那么?(?![个些种样次里边款台天时曲]|不勒)|还有|另外|以及|对了)[，,\s]*")
_WHAT_ABOUT = re.compile(r"(?P<slot>[^，,？?]{1,16}?)\s*(?:呢|怎么样)\s*[？?]*")
_ASKS = re.compile("怎|如何|什么|哪|谁|几|多[少久长大高重快远]|为何|是否|吗|能不能|有没有|是不是|可不可以|要不要")
_PRONOUN = re.compile(
    r"(?P<thing>它(?!们)|(?<![极尤何与])其(?![他它中实余次间]))"
    r"|(?<![应活因如彼])(?:该|此|这个?|那个?|上述)(?:(?P<product>(?:产品|设备|型号|机器|软件|系统|款|台){1,2})"
    r"|(?P<paper>文件|文档|制度|政策|规定|手册|协议|合同|办法|标准|书|指南|规范))"
    r"|(?P<person>(?<![其吉])[他她](?!人|乡)们?)"
)
_POINTS_BACK = re.compile(
    r"前者|后者|上述|上面|刚才|前面|以上|它们|[这那][个些种样次里边](?!月|季|年|周|星期|礼拜)|^其[中他余次]|^.{1,8}也"
)
_BEGINS_WITHOUT_SUBJECT = re.compile(
    r"还|是|由|归|在|有(?!没有)|需要?|要|必须|用不用|[和跟比与]|每[个张台次]|里面|详细|具体|再|继续|接着"
    r"|(?:没|支持|包[含括]|允许|适[用合]|属于|位于|保留|兼容|提供|到期|过[了期保])(?!.{1,10}的)"
)
_BEGINS_WITH_ASKING = re.compile("怎|如何|为|多|几|谁|哪|什么时候|可以|可不|能|会|是否|有没有|如果|要是")
_RELATION_ALONE = re.compile(
    rf"(?:主要|具体)?(?P<what>{_RELATION}|{HAN}{{2,4}}(?=是谁))\s*(?:都|是|有|多|怎|如何|在|[？?]|$)"
)
_FEW, _SOME = 2, 3


def made_whole(question: str, before: str) -> str | None:
    """The question with what it leans on, from the one before; None where that cannot be told."""
    lead = _LEAD.match(question)
    rest = question[lead.end() :] if lead else question
    if slot := _slot(rest):
        return _asked_of(slot, before)
    if pronoun := _PRONOUN.search(rest):
        return question if _has_its_own(rest, pronoun) else _replaced(rest, pronoun, before)
    if _POINTS_BACK.search(rest):
        return None
    if relation := _RELATION_ALONE.match(rest):
        subject = _thing(before, owns=True) if re.fullmatch(f"{_PHYSICAL}|保修期", relation["what"]) else None
        return _joined(subject, "的", rest) if subject else None
    return None if _lacks_subject(rest, led=lead is not None) else question


# "那 X 呢？"


def _slot(rest: str) -> str | None:
    """The X; a whole question that merely ends in 呢 has none."""
    bare = re.sub(r"[？?\s]+$", "", rest)
    if re.fullmatch(_NAME, bare) and shape(bare) == "numbered":
        return bare
    match = _WHAT_ABOUT.fullmatch(rest)
    return match["slot"].strip() if match and not _ASKS.search(match["slot"]) else None


def _asked_of(slot: str, before: str) -> str | None:
    if possessive := re.match(r"(?:(?:它|该产品)的?|其|(?P<person>[他她]们?的))(?P<what>.+)", slot):
        owner = _person(before) if possessive["person"] else _thing(before, owns=True)
        return _joined(owner, "的", possessive["what"], "？") if owner else None
    if _POINTS_BACK.search(slot):
        return None
    asked = _X_OF_Y.match(before)
    if "的" in slot[:-1]:
        is_parallel = asked and not names(asked["subject"]) and slot.endswith("的" + asked["attribute"])
        return f"{slot}？" if is_parallel or names(slot) else None
    if slot.endswith("的") and asked and len(asked["subject"]) == len(slot) - 1:
        return before.replace(asked["subject"], slot[:-1], 1)
    slot = slot.removesuffix("的").strip()
    if re.fullmatch(_NAME, slot):
        return in_its_place(slot, before)
    if re.search(f"{_MEASURE}$", slot) and (owner := _thing(before, owns=True)):
        return _joined(owner, "的", slot, "？")
    return _compound_in_its_place(slot, before)


def _compound_in_its_place(slot: str, before: str) -> str | None:
    """Chinese compounds end in what they are: 病假 takes the place of 年假, 二类城市 that of 一类城市."""
    opening = re.match(_OPENING, before)
    at = opening.end() if opening else 0
    other = before[at : at + len(slot)]
    shared = max(1, len(slot) // 2)
    alike = len(slot) > 1 and other != slot and other[-shared:] == slot[-shared:] and not _NO_NOUN.search(other)
    return slot + before[at + len(slot) :] if alike else None


# 它, 其, 他, 该产品


def _has_its_own(rest: str, pronoun: re.Match[str]) -> bool:
    """The pronoun means what the same question has named: 员工离职后他的邮箱保留多久？"""
    ahead = rest[: pronoun.start()]
    if pronoun["person"]:
        return re.search(_PERSON, ahead) is not None
    return bool(names(ahead)) and re.search(r"(?:后|时|前|，|,|的话|如果.+)\s*$", ahead) is not None


def _replaced(rest: str, pronoun: re.Match[str], before: str) -> str | None:
    ahead, behind = rest[: pronoun.start()], rest[pronoun.end() :]
    named = None if names(ahead) or len(terms(ahead)) >= _SOME else _meant(pronoun, behind, before)
    of = "的" if pronoun.group() == "其" else ""
    return _joined(ahead, named, of, behind) if named else None


def _meant(pronoun: re.Match[str], behind: str, before: str) -> str | None:
    owns = behind.startswith("的") or pronoun.group() == "其"
    if pronoun["person"]:
        return _person(before) if owns else None
    if pronoun["thing"]:
        return None if _ABOUT_THE_MEASURE.search(behind) and not owns else _thing(before, owns=owns)
    return only(names(before), "quoted" if pronoun["paper"] else "numbered")


def _defined(before: str) -> str | None:
    """What was asked about as such: "什么是云雀桥？"."""
    asked = _DEFINED.fullmatch(before)
    what = (asked["asked"] or asked["named"]).strip() if asked else ""
    return what if what and not (_NO_NOUN.search(what) or re.fullmatch(_RELATION, what)) else None


def _thing(before: str, *, owns: bool) -> str | None:
    """What 它 is: X where X 的 Y was asked about, if Y is a measure, as that does nothing and owns nothing."""
    if defined := _defined(before):
        return defined
    if asked := _x_of_y(before):
        is_measure = f"(?:{_MEASURE}|{_PERSON})$" if owns else f"{_PHYSICAL}$"
        return asked["subject"] if re.search(is_measure, asked["attribute"]) else None
    found = names(before)
    if len(found) != 1:
        return None
    ahead, _, behind = before.partition(found[0])
    verbs = "需要|要|是|有" if ahead.strip() else "怎么|如何|是|有|在"
    is_part_of_a_noun = re.match(rf"\s*(?:[的上里中下内]|{HAN}{{1,4}}(?:{verbs}))", behind)
    return None if is_part_of_a_noun else found[0]


def _x_of_y(before: str) -> re.Match[str] | None:
    asked = _X_OF_Y.match(before)
    if not asked or not (asked["of"] or re.search(f"{_MEASURE}$", asked["attribute"])):
        return None
    subject, attribute = asked["subject"], asked["attribute"]
    others = [name for name in names(before) if name != subject and name not in attribute]
    is_thing = names(subject) or not (_NO_NOUN.search(subject) or re.search(f"{_PERSON}$", subject))
    return asked if is_thing and not others else None


def _person(before: str) -> str | None:
    """Whose 他的 something is."""
    if defined := _defined(before):
        return defined
    asked = _X_OF_Y.match(before)
    if asked and asked["of"] and re.search(f"{_PERSON}$", asked["subject"]):
        is_unclear = re.search(f"{_PERSON}$", asked["attribute"]) or _NO_NOUN.search(asked["subject"])
        return None if is_unclear else asked["subject"]
    named = re.match(rf"(?:请问)?(?P<who>{_SURNAME}{HAN}{{1,2}}?)(?=[是在的]|负责|属于|什么|哪)", before)
    return named["who"] if named else None


def _lacks_subject(rest: str, *, led: bool) -> bool:
    if _BEGINS_WITHOUT_SUBJECT.match(rest):
        return True
    if names(rest):
        return False
    said = len(terms(rest.replace("怎么办", "")))
    if _BEGINS_WITH_ASKING.match(rest):
        return led or said < _SOME
    return said < _FEW and not re.match("什么是|谁是", rest)


def _joined(*parts: str) -> str:
    """One text, with a space where Chinese meets Latin."""
    text = ""
    for part in parts:
        meets = re.fullmatch(rf"[A-Za-z0-9]{HAN}|{HAN}[A-Za-z0-9]", text[-1:] + part[:1])
        text += f" {part}" if meets else part
    return text
