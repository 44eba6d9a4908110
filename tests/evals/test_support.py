"""The second opinion against pairs that a person has labelled."""

from __future__ import annotations

import pytest

from chains.answers import Citation
from evals.support import Embed, Judged, cited, judge, show
from models.embeddings import EmbeddedEncoder

SUPPORTED = [
    (
        "湖南卫视是在哪一年播出了《武则天秘史》？",
        "2011年",
        "2011年湖南卫视播出的《武则天秘史》由三位演员分别饰演武则天。",
    ),
    ("各胡族在哪一场战争之后纷纷独立?", "各胡族在淝水之战隔年，纷纷独立。", "淝水之战隔年，各胡族纷纷独立。"),
    (
        "金盏花有什么作用？",
        "金盏花的药用主要作用是止痛、杀菌、消炎。",
        "金盏花药用主要作用为止痛、杀菌、消炎，处理皮肤疾病。",
    ),
    ("谁是举牌小人的创作者？", "李翰", "李翰是一位台湾的插画家，也是举牌小人的创作者。"),
    ("社会惰化又被叫做什么？", "社会惰化也被叫做社会干扰、社会致弱。", "社会惰化也叫社会干扰、社会致弱、社会懈怠。"),
    ("军用旗是什么样子的？", "军用旗是带黄边红十字架的蓝旗。", "军用旗是带黄边红十字架的蓝旗。"),
    ("沃夫424距离太阳多远？", "大约14.2光年。", "沃夫424是一个联星系统，距离太阳大约14.2光年。"),
    ("过适一般来说违背了什么原则？", "奥卡姆剃刀原则。", "过适一般可以视为违反奥卡姆剃刀原则。"),
    ("一套10张阿森松岛风景的邮票是在哪一年发行的?", "1934年", "1934年，还发行了一套10张阿森松岛风景的邮票。"),
    ("细胞核内部的黏液被称为什么?", "细胞核内部的黏液被称为核质。", "细胞核内部的黏液称为核质，与核外的细胞质类似。"),
    (
        "Who led the Panthers in sacks?",
        "Kawann Short led the Panthers in sacks with 11.",
        "Kawann Short led the team in sacks with 11.",
    ),
    ("how many people died in Paris in 1466?", "40,000", "In 1466, perhaps 40,000 people died of the plague in Paris."),
    ("when is season 8 out?", "It is scheduled to premiere in 2019.", "The season is scheduled to premiere in 2019."),
    (
        "who hired the group?",
        "The network hired the Troika Design Group.",
        "The network hired the Troika Design Group in 2001.",
    ),
    ("where was it filmed?", "It was filmed in Austin.", "All five seasons were filmed in Austin and Pflugerville."),
    (
        "who invented the printing press?",
        "Johannes Gutenberg",
        "The printing press was invented by Johannes Gutenberg.",
    ),
    ("what is the fee?", "The fee is 12 percent.", "Opened cards cost a fee of 12 percent."),
    ("what runs alongside Jacksonville?", "The St. Johns River.", "Jacksonville straddles the St. Johns River."),
]
NOT_SUPPORTED = [
    (
        "湖南卫视是在哪一年播出了《武则天秘史》？",
        "2012年",
        "2011年湖南卫视播出的《武则天秘史》由三位演员分别饰演武则天。",
    ),
    ("沃夫424距离太阳多远？", "大约14.3光年。", "沃夫424是一个联星系统，距离太阳大约14.2光年。"),
    ("谁是举牌小人的创作者？", "黄山料", "李翰是一位台湾的插画家，也是举牌小人的创作者。"),
    ("军用旗是什么样子的？", "军用旗是绿色的三角旗。", "军用旗是带黄边红十字架的蓝旗。"),
    ("《和汉三才图绘》是在哪一个时代出版的?", "它是在奈良时代出版的。", "江户时代出版盛行，例如《和汉三才图绘》等。"),
    ("民国二十六年省政府迁往何处?", "迁往上海。", "民国二十六年12月，日军攻袭杭州，省政府迁至金华。"),
    ("冥王星是什么类型的星？", "冥王星是一个单星。", "德国国内储蓄不会超过20亿马克。"),
    ("羌于公元前109年被谁封为滇王?", "西汉的卫青", "前109年，汉武帝加封常羌为滇王，赐给金印。"),
    ("公司的食堂几点开门？", "八点开门。", "LC-200 的工作温度为 5 到 45 °C。"),
    ("女户主没有丈夫的比例是多少？", "43.9%", "30,547(19.3%)户有一位女户主而没有丈夫。"),
    ("How many people died in Paris in 1466?", "50,000", "In 1466, perhaps 40,000 people died of the plague in Paris."),
    ("what is the fee?", "The fee is 15 percent.", "Opened cards cost a fee of 12 percent."),
    ("who plays Meredith Quill?", "Emma Watson", "Meredith Quill is played by Laura Haddock."),
    ("where is it based?", "It is based in the United States.", "The film is about posttraumatic stress disorder."),
    ("What is septicemia?", "A condition of the immune system.", "Hepcidin plays a role in the regulation of iron."),
    ("who invented the printing press?", "Leonardo da Vinci", "The printing press was invented by Johannes Gutenberg."),
    ("where was it filmed?", "It was filmed in New York.", "All five seasons were filmed in Austin and Pflugerville."),
    ("when is season 8 out?", "In the spring of 2020.", "The season is scheduled to premiere in 2019."),
]
BLIND_SPOTS = [
    (
        "陆特和汉斯雷顿开创了哪一地区对梵语的学术研究？",
        "德国",
        "在欧洲，梵语的学术研究，由德国学者陆特和汉斯雷顿开创。",
    ),
    ("who played guitar?", "George Harrison did not play.", "George Harrison played lead guitar."),
]


@pytest.fixture(scope="module")
def embed() -> Embed:
    return EmbeddedEncoder().embed_documents


@pytest.mark.parametrize(("question", "sentence", "quote"), SUPPORTED)
def test_it_accepts_what_a_quote_says(question: str, sentence: str, quote: str, embed: Embed) -> None:
    assert judge(question, sentence, quote, embed)


@pytest.mark.parametrize(("question", "sentence", "quote"), NOT_SUPPORTED)
def test_it_does_not_accept_what_a_quote_does_not_say(question: str, sentence: str, quote: str, embed: Embed) -> None:
    assert not judge(question, sentence, quote, embed)


@pytest.mark.parametrize(("question", "sentence", "quote"), BLIND_SPOTS)
def test_a_wrong_answer_in_the_quotes_own_words_it_does_not_see(
    question: str, sentence: str, quote: str, embed: Embed
) -> None:
    assert judge(question, sentence, quote, embed)


def test_each_mark_belongs_to_the_sentence_before_it() -> None:
    first, flagged, last = (
        Citation(marker=marker, source_id="a", quote="", start=0, end=0, supported=marker != "[?]")
        for marker in ("[1]", "[?]", "[1]")
    )
    answer = "温度为 5 度[1]。只要九元[?]。\n105 °C 时断电[1]。"
    assert list(cited(answer, [first, flagged, last])) == [
        ("温度为 5 度", first),
        ("只要九元", flagged),
        ("105 °C 时断电", last),
    ]


def test_a_sample_is_shown_for_reading() -> None:
    text = show([Judged("q?", "s.", "a quote", supported=False)], 5)
    assert text == "NOT supported\n  question: q?\n  sentence: s.\n  quote:    a quote\n"
