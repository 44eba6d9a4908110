"""What must be the same in an answer and its source, in whichever way it is written."""

from __future__ import annotations

import pytest

from chains.citing.facts import agree, names
from chains.citing.numerals import in_digits
from chains.citing.polarity import contradict, denied


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("三十二个", "32个"),
        ("两百人", "200人"),
        ("一万二千名", "12000名"),
        ("一百七十八万", "1780000"),
        ("1.2亿", "120000000"),
        ("1亿2千万", "120000000"),
        ("二〇一〇年", "2010年"),
        ("百分之三十", "30%"),
        ("三分之一", "1/3"),
        ("第三届", "第3届"),
        ("３２", "32"),
        ("7,000", "7000"),
        ("twenty-five", "25"),
        ("two hundred and fifty people", "250 people"),
        ("the 19th century", "the 第19 century"),
        ("third", "第3"),
        ("4.8 million", "4800000"),
    ],
)
def test_numbers_in_words_are_read(text: str, digits: str) -> None:
    assert in_digits(text) == digits


@pytest.mark.parametrize("text", ["万一", "千万别动", "四川三角", "5千米", "十分好", "3 seconds"])
def test_words_that_only_look_like_numbers_are_left_alone(text: str) -> None:
    assert in_digits(text) == text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("共三十二个", "共有32名"),
        ("共1,600人", "一千六百人"),
        ("1949年10月1日成立", "成立于一九四九年十月一日"),
        ("on October 1, 1949", "1949-10-01"),
        ("1 Oct 1949", "October 1st, 1949"),
        ("1949年10月", "1949年10月1日"),
        ("1949年10月1日", "1949年9月21日开会，10月1日成立。1949年"),
        ("in 1949", "1949年10月1日"),
        ("第三版", "the third edition"),
        ("19世纪", "in the nineteenth century"),
        ("1980年代", "in the 1980s"),
        ("长5公里", "a length of 5 km"),
        ("12 percent", "12%"),
        ("公元前109年", "前109年"),
        ("1914年至1918年", "1914–18"),
        ("LC-200 可用", "lc200 可用"),
        ("他是 Trevor Martin", "the actor Trevor Martin"),
        ("《史记》", "司马迁写了史记。"),
    ],
)
def test_facts_agree_however_they_are_written(said: str, shown: str) -> None:
    assert agree(said, shown)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("共33个", "共有32名"),
        ("长5公里", "重5公斤"),
        ("5 km", "5 kg"),
        ("12%", "12 dollars"),
        ("1949年10月2日", "1949年10月1日"),
        ("1949年10月1日", "1949年成立"),
        ("第三届", "三个"),
        ("3枚", "3列"),
        ("公元前109年", "109年"),
        ("6个", "2012年6月"),
        ("LC-20 可用", "LC-200 可用"),
        ("It was made by Sony Music", "It was made by Universal Music"),
        ("播放《史记》", "播放《汉书》"),
        ("2比3", "1比3，共2人3次"),
    ],
)
def test_facts_that_differ_do_not_agree(said: str, shown: str) -> None:
    assert not agree(said, shown)


def test_a_lone_one_is_a_number_only_where_it_is_the_whole_answer() -> None:
    assert agree("它是一个很大的城市", "它是很大的城市")
    assert not agree("一个", "它是很大的城市")


def test_the_questions_own_names_and_small_counts_need_no_proof_but_its_years_do() -> None:
    assert agree("Peyton Manning wore two rings", "he wore rings", asked="Which two rings did Peyton Manning wear?")
    assert not agree("In 1949 he wore rings", "he wore rings", asked="What did he wear in 1949?")


def test_capitals_and_words_with_digits_are_names() -> None:
    assert names("Yes, the Seljuk Turks used H1N1 and NASA in March.") == {"Seljuk", "Turks", "H1N1", "NASA"}
    assert names("the actor Trevor Martin") == {"Trevor", "Martin"}
    assert names("系统叫 OpenTV，长 5 km。") == {"OpenTV"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("开封后不能退货", "开封后可以退货"),
        ("开封后可以退货", "开封后不可以退货"),
        ("它没有风扇", "它有风扇"),
        ("It does not run on Linux", "It runs on Linux"),
        ("It runs on Linux", "It never runs on Linux"),
        ("它有毒", "它无毒"),
    ],
)
def test_one_denies_what_the_other_says(said: str, shown: str) -> None:
    assert contradict(said, shown)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("开封后不能退货", "开封后不能退货"),
        ("价格是 9 元", "价格是 9 元，但不含运费"),
        ("它不断增长", "它持续增长"),
        ("It is a mammal", "It is not a bird but a mammal"),
        ("It is not only cheap", "It is cheap"),
    ],
)
def test_neither_denies_the_other(said: str, shown: str) -> None:
    assert not contradict(said, shown)


@pytest.mark.parametrize("text", ["不仅如此", "不同的未来", "无线网络", "无论是否", "No. 5", "not only", "notable"])
def test_words_that_only_look_like_denials(text: str) -> None:
    assert denied(text) == ()
