"""The fake open platform lists wikis and folders as the real one does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.feishu.platform import Platform
from tests.app.feishu.platform.docx import text
from tests.app.feishu.platform_api import Api


def all_pages(api: Api, path: str, items: str = "items", token: str = "page_token", **params: Any) -> list[list[Any]]:
    found, page = [], {"has_more": True, token: ""}
    while page["has_more"]:
        code, page = api("GET", path, **params, page_token=page[token])
        assert code == 0
        found.append(page[items])
    return found


def test_nodes_come_in_pages_of_which_one_may_be_empty(platform: Platform, api: Api) -> None:
    space = platform.wiki()
    for number in range(3):
        space.page(str(number))
    platform.empty_pages.add("/nodes")

    pages = all_pages(api, f"/wiki/v2/spaces/{space.space_id}/nodes", page_size=2)

    assert [[one["title"] for one in page] for page in pages] == [[], ["0", "1"], ["2"]]


def test_nodes_that_may_not_be_read_are_left_out_and_closed(platform: Platform, api: Api) -> None:
    space = platform.wiki("7000")
    parent = space.page("open")
    hidden = space.page("hidden", parent=parent)
    hidden.thing.readable = False

    top = api("GET", "/wiki/v2/spaces/7000/nodes")[1]["items"]
    below = api("GET", "/wiki/v2/spaces/7000/nodes", parent_node_token=parent.token)[1]["items"]

    assert ([one["has_child"] for one in top], below) == ([True], [])
    assert api("GET", "/wiki/v2/spaces/get_node", token=hidden.token)[0] == 131006
    assert api("GET", f"/docx/v1/documents/{hidden.thing.token}/blocks")[0] == 1770032
    space.member = False
    assert api("GET", "/wiki/v2/spaces/7000/nodes")[0] == 131006


def test_an_edit_is_later_than_what_was_before(platform: Platform, api: Api) -> None:
    node = platform.wiki().page("Refunds", [text("15 days")])
    before = api("GET", "/wiki/v2/spaces/get_node", token=node.token)[1]["node"]["obj_edit_time"]
    platform.documents.edit(node.thing, blocks=[text("20 days")])
    after = api("GET", "/wiki/v2/spaces/get_node", token=node.thing.token, obj_type="docx")[1]["node"]["obj_edit_time"]

    assert int(after) > int(before)
    assert api("GET", f"/docx/v1/documents/{node.thing.token}/raw_content")[1]["content"] == "Refunds\n20 days\n"


def test_blocks_come_in_pages_of_500(platform: Platform, api: Api) -> None:
    page = platform.folder().page("Long", [text(str(number)) for number in range(600)])
    pages = all_pages(api, f"/docx/v1/documents/{page.token}/blocks")

    assert [len(one) for one in pages] == [500, 101]
    assert pages[0][0]["children"] == [one["block_id"] for page in pages for one in page][1:]


def test_folders_have_their_own_names_for_pages(platform: Platform, api: Api) -> None:
    folder = platform.folder("fld1")
    inner = folder.folder("inner")
    for number in range(3):
        folder.page(str(number))

    pages = all_pages(api, "/drive/v1/files", "files", "next_page_token", folder_token="fld1", page_size=3)

    assert [len(page) for page in pages] == [3, 1]
    assert (pages[0][0]["type"], pages[0][0]["token"]) == ("folder", inner.token)
    folder.member = False
    assert api("GET", "/drive/v1/files", folder_token="fld1")[0] == 1061004


@pytest.mark.parametrize("kind", ["files", "medias"])
def test_files_are_downloaded_with_their_names(platform: Platform, api: Api, kind: str) -> None:
    token = platform.documents.file("规则.pdf", b"%PDF-1.7").token
    got = api.http.get(f"/drive/v1/{kind}/{token}/download")

    assert (got.content, got.headers["Content-Type"]) == (b"%PDF-1.7", "application/pdf")
    assert "filename*=UTF-8''%E8%A7%84%E5%88%99.pdf" in got.headers["Content-Disposition"]


def test_documents_may_be_read_five_times_a_second(platform: Platform, api: Api) -> None:
    platform.clock.stop()
    token = platform.folder().page("Refunds").token
    path = f"/docx/v1/documents/{token}/blocks"

    assert [api("GET", path)[0] for _ in range(6)] == [0] * 5 + [99991400]
    platform.limits.own_rates = False
    assert api("GET", path)[0] == 0
