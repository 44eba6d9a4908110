"""Documents of Feishu become Markdown that the loaders read."""

from __future__ import annotations

from typing import Any

import pytest

from app.feishu.blocks import unstructured, written
from ingest.sections import sections

Json = dict[str, Any]


def run(text: str, **style: Any) -> Json:
    return {"text_run": {"content": text, "text_element_style": style}}


def block(block_id: str, block_type: int, kind: str, *elements: Json | str, **more: Any) -> Json:
    """A block that says something, as the open platform gives it."""
    said = [run(one) if isinstance(one, str) else one for one in elements]
    style = more.pop("style", {})
    return {"block_id": block_id, "block_type": block_type, kind: {"elements": said, "style": style}, **more}


def page(*blocks: Json, title: str = "Handbook") -> list[Json]:
    """A document; those of the blocks that are nobody's children are the page's."""
    inner = {child for one in blocks for child in one.get("children", ())}
    children = [one["block_id"] for one in blocks if one["block_id"] not in inner]
    return [block("page", 1, "page", title, children=children, parent_id=""), *blocks]


def markdown(*blocks: Json) -> str:
    return written(page(*blocks), title="").markdown.removeprefix("# Handbook\n\n").rstrip("\n")


def test_headings_stand_below_the_title_and_make_sections() -> None:
    text = written(
        page(
            block("1", 3, "heading1", "Leave"),
            block("2", 4, "heading2", "Parents"),
            block("3", 2, "text", "98 days."),
            block("4", 3, "heading1", "Travel"),
            block("5", 2, "text", "Second class."),
        ),
        title="",
    ).markdown

    assert text.startswith("# Handbook\n\n## Leave\n\n### Parents\n\n98 days.")
    assert [(section.headings, section.text.splitlines()[-1]) for section in sections(text)] == [
        (("Handbook", "Leave", "Parents"), "98 days."),
        (("Handbook", "Travel"), "Second class."),
    ]


def test_the_ninth_level_is_a_heading_still() -> None:
    assert markdown(block("1", 11, "heading9", "Deep"), block("2", 2, "text", "x")) == "###### Deep\n\nx"


def test_lists_keep_their_levels_their_numbers_and_their_ticks() -> None:
    text = markdown(
        block("1", 12, "bullet", "fruit", children=["2", "3"]),
        block("2", 13, "ordered", "apple"),
        block("3", 13, "ordered", "pear"),
        block("4", 12, "bullet", "bread"),
        block("5", 2, "text", "then"),
        block("6", 13, "ordered", "third", style={"sequence": "3"}),
        block("7", 13, "ordered", "fourth", style={"sequence": "auto"}),
        block("8", 17, "todo", "bake", style={"done": True}),
        block("9", 17, "todo", "eat", style={"done": False}),
    )

    assert text.splitlines() == [
        "- fruit", "  1. apple", "  2. pear", "- bread", "", "then", "",
        "3. third", "4. fourth", "- [x] bake", "- [ ] eat",
    ]  # fmt: skip


def test_code_is_fenced_and_keeps_every_character() -> None:
    assert markdown(block("1", 14, "code", "# no heading\n  **x**\n")) == "```\n# no heading\n  **x**\n```"
    assert markdown(block("1", 14, "code", "```\nx\n```")) == "~~~\n```\nx\n```\n~~~"


def test_quotes_and_boxes_are_quoted_with_all_that_is_in_them() -> None:
    text = markdown(
        block("1", 15, "quote", "old"),
        {"block_id": "2", "block_type": 19, "callout": {"emoji_id": "bulb"}, "children": ["3", "4"]},
        block("3", 2, "text", "Mind this."),
        block("4", 12, "bullet", "and that"),
    )

    assert text == "> old\n\n> Mind this.\n> \n> - and that"


def test_a_table_repeats_what_stands_over_several_rows() -> None:
    cells = [f"c{number}" for number in range(6)]
    texts = ["Class", "Days", "A | B", "10", "", "20"]
    spans = [{"row_span": 1, "col_span": 1} for _ in cells]
    spans[2] = {"row_span": 2, "col_span": 1}
    table = {"cells": cells, "property": {"row_size": 3, "column_size": 2, "merge_info": spans}}
    text = markdown(
        {"block_id": "t", "block_type": 31, "table": table, "children": cells},
        *({"block_id": cell, "block_type": 32, "table_cell": {}, "children": [f"{cell}t"]} for cell in cells),
        *(block(f"{cell}t", 2, "text", said) for cell, said in zip(cells, texts, strict=True)),
    )

    assert text.splitlines() == ["| Class | Days |", "| --- | --- |", "| A \\| B | 10 |", "| A \\| B | 20 |"]


def test_a_cell_of_several_paragraphs_is_one_line() -> None:
    table = {"cells": ["c"], "property": {"row_size": 1, "column_size": 1}}
    text = markdown(
        {"block_id": "t", "block_type": 31, "table": table},
        {"block_id": "c", "block_type": 32, "table_cell": {}, "children": ["1", "2"]},
        block("1", 2, "text", "one"),
        block("2", 2, "text", "two"),
    )

    assert text.splitlines()[0] == "| one two |"


def test_links_lead_to_where_they_led_and_are_whole() -> None:
    encoded = {"link": {"url": "https%3A%2F%2Fexample.com%2Fa%20b%3Fx%3D(1)"}}
    text = markdown(
        block(
            "1", 2, "text", "see ", run("the ", **encoded), run("rules", bold=True, **encoded), ", or ",
            run("https://example.com", link={"url": "https://example.com"}),
        )
    )  # fmt: skip

    assert text == "see [the rules](https://example.com/a%20b?x=%281%29), or https://example.com"


def test_mentions_formulas_and_dates_are_words() -> None:
    text = markdown(
        block(
            "1", 2, "text",
            {"mention_user": {"user_id": "ou_1"}}, " reads ",
            {"mention_doc": {"obj_type": 22, "url": "https%3A%2F%2Ffeishu.cn%2Fdocx%2Fdoxcn1", "title": "Rules"}},
            " by ",
            {"reminder": {"expire_time": "1641967200000", "is_whole_day": True}},
            ", ",
            {"equation": {"content": "E=mc^2\n"}},
            {"file": {"file_token": "boxcn"}},
            {"undefined_element": {}},
        )
    )  # fmt: skip

    assert text == "@user reads [Rules](https://feishu.cn/docx/doxcn1) by 2022-01-12, $E=mc^2$"


def test_what_is_struck_out_is_marked_and_bold_is_not() -> None:
    text = markdown(
        block(
            "1", 2, "text", run("15", strikethrough=True), " ", run("20", bold=True), " ", run("rm", inline_code=True)
        )
    )

    assert text == "~~15~~ 20 `rm`"


def test_text_that_looks_like_a_heading_is_none() -> None:
    text = written(
        page(
            block("1", 2, "text", "# 1 is the first"), block("2", 2, "text", "Sum\n---"), block("3", 2, "text", "```")
        ),
        title="",
    ).markdown

    assert [section.headings for section in sections(text)] == [("Handbook",)]


def test_a_heading_shows_no_markup() -> None:
    link = run("Rules", link={"url": "https://example.com"}, inline_code=True)

    assert (
        markdown(block("1", 3, "heading1", link, " and\nmore"), block("2", 2, "text", "x")) == "## Rules and more\n\nx"
    )


def test_columns_and_embedded_things_are_read_in_their_order() -> None:
    text = markdown(
        {"block_id": "g", "block_type": 24, "grid": {"column_size": 2}, "children": ["c1", "c2"]},
        {"block_id": "c1", "block_type": 25, "grid_column": {"width_ratio": 50}, "children": ["1"]},
        {"block_id": "c2", "block_type": 25, "grid_column": {"width_ratio": 50}, "children": ["2"]},
        block("1", 2, "text", "left"),
        {"block_id": "2", "block_type": 27, "image": {"token": "img", "caption": {"content": "The board"}}},
        {"block_id": "3", "block_type": 26, "iframe": {"component": {"iframe_type": 1, "url": "https%3A%2F%2Fa.com"}}},
        {"block_id": "4", "block_type": 33, "view": {"view_type": 1}, "children": ["5"]},
        {"block_id": "5", "block_type": 23, "file": {"token": "boxcn", "name": "rules.pdf"}},
        {"block_id": "6", "block_type": 22, "divider": {}},
    )

    assert text.split("\n\n") == ["left", "The board", "https://a.com", "rules.pdf"]


def test_what_has_no_words_is_named() -> None:
    done = written(
        page(
            {"block_id": "1", "block_type": 27, "image": {"token": "img", "width": 3}},
            {"block_id": "2", "block_type": 30, "sheet": {"token": "sht_1"}},
            {"block_id": "3", "block_type": 43, "board": {"token": "brd"}},
            {"block_id": "4", "block_type": 999, "undefined": {}},
            block("5", 2, "text"),
        ),
        title="",
    )

    assert done.left_out == ("image", "sheet", "board", "undefined")
    assert done.markdown == "# Handbook\n"


def test_a_document_without_a_title_has_the_one_that_it_is_listed_with() -> None:
    assert written(page(title=" "), title="Listed\nso").markdown == "# Listed so\n"
    assert written(page(title=""), title="").markdown == "# Untitled\n"


def test_blocks_in_a_circle_and_in_great_depth_come_to_an_end() -> None:
    circle = [block("1", 2, "text", "a", children=["2"]), block("2", 2, "text", "b", children=["1", "p", "gone"])]
    deep = [block(str(n), 12, "bullet", f"n{n}", children=[str(n + 1)]) for n in range(5000)]

    round_and_round = written([block("p", 1, "page", "T", children=["1"]), *circle], title="")
    far_down = written([block("p", 1, "page", "T", children=["0"]), *deep], title="")

    assert (round_and_round.markdown, round_and_round.left_out) == ("# T\n\na\n\nb\n", ())
    assert "n50" in far_down.markdown
    assert far_down.left_out == ("4,939 blocks that are too deep in others, or nowhere",)


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"block_type": 1}],
        [block("1", 2, "text", "x")],
        page(block("1", 2, "text", "x", children="2")),
        page({"block_id": "1", "block_type": 2, "text": {"elements": "x"}}),
        page({"block_id": "1", "block_type": 31, "table": {"cells": [1], "property": {"merge_info": [3]}}}),
    ],
)
def test_what_is_no_document_is_refused(items: list[Json]) -> None:
    with pytest.raises(ValueError, match=r"."):
        written(items, title="x")


def test_plain_text_becomes_a_document_below_its_title() -> None:
    assert unstructured("Rules\n# not a heading\n", title="Rules") == "# Rules\n\n\\# not a heading\n"
    assert unstructured("Other", title=" ") == "# Untitled\n\nOther\n"
