from __future__ import annotations

import pytest

from ingest.web.crawl import crawl
from ingest.web.errors import InvalidAddress
from ingest.web.limits import CrawlLimits
from ingest.web.pages import LeftOut
from tests.ingest.web.sites import LOOPBACK, Answer, Script, Time, crawled, html, link, moved, serving, silent

HANDBOOK: dict[str, Script] = {
    "/": html(link("/a", "/b")),
    "/a": html(link("/a/deep", "/")),
    "/b": html(link("/a")),
    "/a/deep": html(link("/a/deep/er")),
    "/a/deep/er": html("the end"),
}


@pytest.mark.parametrize(
    ("depth", "paths"),
    [(0, ["/"]), (1, ["/", "/a", "/b"]), (2, ["/", "/a", "/b", "/a/deep"]), (9, [*HANDBOOK])],
)
def test_a_page_is_as_deep_as_the_links_that_lead_to_it(depth: int, paths: list[str]) -> None:
    with serving(HANDBOOK) as site:
        found = crawled(site.url, depth=depth)

    assert found.keys == [site.url + path for path in paths]
    assert site.asked_pages == paths
    assert not found.refused
    assert not found.crawl.partial


def test_a_page_that_is_spelt_in_many_ways_is_fetched_once() -> None:
    spellings = ("/%7Eteam", "/~team#top", "/x/../~team", "/%7eteam", "  /~team\n", "")
    with serving({"/": html(link(*spellings)), "/~team": html("one")}) as site:
        found = crawled(site.url.upper().replace("HTTP", "http") + "/#start", depth=1)

    assert found.keys == [f"{site.url}/", f"{site.url}/~team"]


def test_pages_with_other_queries_are_other_pages() -> None:
    with serving({"/": html(link("/p?id=1", "/p?id=2")), "/p?id=1": html("1"), "/p?id=2": html("2")}) as site:
        found = crawled(site.url, depth=1)

    assert found.keys == [f"{site.url}/", f"{site.url}/p?id=1", f"{site.url}/p?id=2"]


def test_other_hosts_and_other_ports_are_not_gone_to() -> None:
    with serving({"/secret": html("not ours")}) as other:
        pages: dict[str, Script] = {
            "/": html(link(f"{other.url}/secret", "//example.org/x", f"https://127.0.0.1:{other.port}/secret"))
        }
        with serving(pages) as site:
            found = crawled(site.url, depth=3)

    assert found.keys == [f"{site.url}/"]
    assert not found.refused
    assert not other.asked


def test_what_is_no_web_address_is_no_link() -> None:
    schemes = link(
        "mailto:a@example.org", "javascript:void(0)", "data:text/html,x", "tel:1", "ftp://h/x", " JavaScript:x"
    )
    with serving({"/": html(schemes)}) as site:
        found = crawled(site.url, depth=2)

    assert site.asked_pages == ["/"]
    assert not found.refused


def test_links_are_found_in_areas_in_a_refresh_and_in_broken_html() -> None:
    body = (
        b"<p><a href='/a'>a<div></p><area href=/b><a href=/c <b>x</table><meta http-equiv=refresh content='0; URL=/d'>"
    )
    pages: dict[str, Script] = {"/": Answer(body), **{f"/{name}": html(name) for name in "abcd"}}
    with serving(pages) as site:
        found = crawled(site.url, depth=1)

    assert found.keys == [f"{site.url}/{name}" for name in ("", "a", "b", "c", "d")]


def test_the_base_of_a_page_counts_for_its_links() -> None:
    page = html(link("one", "?q=1"), head='<base href="/docs/v2/">')
    with serving({"/start/here": page, "/docs/v2/one": html("1"), "/docs/v2/?q=1": html("2")}) as site:
        found = crawled(f"{site.url}/start/here", depth=1)

    assert site.asked_pages == ["/start/here", "/docs/v2/one", "/docs/v2/?q=1"]
    assert len(found.pages) == 3


def test_chinese_addresses_are_readable_and_have_one_key() -> None:
    escaped = "/%e6%89%8b%E5%86%8C?%E9%A1%B5=1"
    pages: dict[str, Script] = {"/": html(link("/手册?页=1", escaped)), escaped.upper(): html("手册")}
    with serving(pages) as site:
        found = crawled(site.url, depth=1)

    (_, page) = found.pages
    assert page.key == site.url + escaped.upper()
    assert page.source == f"{site.url}/手册?页=1"
    assert page.name == "手册.html"


def test_the_page_limit_is_told_and_makes_the_crawl_partial() -> None:
    with serving({"/": html(link("/a", "/b", "/c")), "/a": html(), "/b": html(), "/c": html()}) as site:
        found = crawled(site.url, limits=CrawlLimits(depth=1, pages=3))

    assert len(found.pages) == 3
    assert "the limit of 3 pages is reached" in found.reason
    assert found.crawl.partial


def test_a_site_of_exactly_as_many_pages_as_allowed_is_whole() -> None:
    with serving({"/": html(link("/a", "/")), "/a": html(link("/"))}) as site:
        found = crawled(site.url, limits=CrawlLimits(depth=5, pages=2))

    assert len(found.pages) == 2
    assert not found.crawl.partial


def test_too_many_links_of_a_page_are_told() -> None:
    with serving({"/": html(link("/a", "/b", "/c")), "/a": html(), "/b": html()}) as site:
        found = crawled(site.url, limits=CrawlLimits(depth=1, links=2))

    assert site.asked_pages == ["/", "/a", "/b"]
    assert "3 links: 2 of a page are followed" in found.reason
    assert found.crawl.partial


def test_faulty_links_are_told_and_the_page_goes_in() -> None:
    with serving({"/": html(link("/" + "x" * 3000, "http://u:geheim@127.0.0.1/", "http://[broken"))}) as site:
        found = crawled(site.url, depth=1)

    assert len(found.pages) == 1
    assert [type(refused) for refused in found.refused] == [LeftOut] * 3
    assert "3,001 characters" in found.refused[0].reason
    assert "geheim" not in "".join(refused.reason + refused.path for refused in found.refused)
    assert not found.crawl.partial


def test_a_dead_link_is_left_out_and_a_broken_server_makes_the_crawl_partial() -> None:
    pages: dict[str, Script] = {"/": html(link("/gone", "/broken")), "/broken": Answer(status=500)}
    with serving(pages) as site:
        found = crawled(site.url, depth=1)
        pages_without_fault: dict[str, Script] = {"/": html(link("/gone"))}
        site.pages = pages_without_fault
        again = crawled(site.url, depth=1)

    assert [type(refused).__name__ for refused in found.refused] == ["LeftOut", "Refused"]
    assert [refused.path for refused in found.refused] == [f"{site.url}/gone", f"{site.url}/broken"]
    assert found.crawl.partial
    assert not again.crawl.partial


def test_a_start_page_that_does_not_exist_is_a_failure() -> None:
    with serving({}) as site:
        found = crawled(f"{site.url}/nothing")

    assert "does not exist (status 404)" in found.reason
    assert not isinstance(found.refused[0], LeftOut)
    assert found.crawl.partial


def test_a_crawl_that_is_not_read_to_its_end_is_partial() -> None:
    with serving(HANDBOOK) as site:
        crawling = crawl(
            site.url, limits=CrawlLimits(depth=1), progress=silent, allowed_private=LOOPBACK, sleep=Time().sleep
        )
        before = crawling.partial
        next(crawling)
        between = crawling.partial
        rest = list(crawling)

    assert (before, between, crawling.partial) == (True, True, False)
    assert len(rest) == 2
    assert crawling.root == f"{site.url}/"


def test_progress_names_the_page_that_is_next() -> None:
    seen: list[tuple[str, int, int]] = []
    with serving({"/": html(link("/a", "/b")), "/a": html(), "/b": html()}) as site:
        limits = CrawlLimits(depth=1)
        list(
            crawl(
                site.url,
                limits=limits,
                progress=lambda *step: seen.append(step),
                allowed_private=LOOPBACK,
                sleep=Time().sleep,
            )
        )

    assert seen == [(f"{site.url}/", 0, 1), (f"{site.url}/a", 1, 3), (f"{site.url}/b", 2, 3), ("", 3, 3)]


def test_a_redirected_page_is_known_by_where_it_came_to() -> None:
    pages: dict[str, Script] = {
        "/": html(link("/old", "/new")),
        "/old": moved("/older", 301),
        "/older": moved("new"),
        "/new": html("here"),
    }
    with serving(pages) as site:
        found = crawled(site.url, depth=1)

    assert found.keys == [f"{site.url}/", f"{site.url}/new"]
    assert site.asked_pages == ["/", "/old", "/older", "/new"]
    assert not found.refused


def test_a_redirect_to_a_page_that_has_been_fetched_is_no_second_page() -> None:
    with serving({"/": html(link("/home")), "/home": moved("/")}) as site:
        found = crawled(site.url, depth=1)

    assert found.keys == [f"{site.url}/"]
    assert not found.crawl.partial


def test_redirects_in_a_circle_end() -> None:
    with serving({"/a": moved("/b"), "/b": moved("/a")}) as site:
        found = crawled(f"{site.url}/a")

    assert "in a circle" in found.reason
    assert site.asked_pages == ["/a", "/b"]


@pytest.mark.parametrize(("count", "comes"), [(5, True), (6, False)])
def test_five_redirects_are_followed(count: int, comes: bool) -> None:
    pages: dict[str, Script] = {f"/{step}": moved(f"/{step + 1}") for step in range(count)}
    with serving({**pages, f"/{count}": html("here")}) as site:
        found = crawled(f"{site.url}/0")

    assert bool(found.pages) is comes
    assert len(site.asked_pages) == 6


def test_a_redirect_to_nowhere_is_told() -> None:
    with serving({"/": Answer(status=302)}) as site:
        found = crawled(site.url)

    assert "redirected to nowhere" in found.reason


def test_a_linked_page_that_has_moved_to_another_host_is_left_out() -> None:
    with serving({"/": html(link("/login")), "/login": moved("http://example.org/login")}) as site:
        found = crawled(site.url, depth=1)

    assert "has moved to another host (http://example.org/login)" in found.reason
    assert not found.crawl.partial


def test_a_start_page_that_has_moved_takes_the_crawl_along() -> None:
    with serving({"/": moved("http://www.site.test:80/")}) as site:
        port = site.port
        site.pages["/"] = moved(f"http://www.site.test:{port}/home")
        site.pages["/home"] = html(link("/next", f"http://site.test:{port}/other"))
        site.pages["/next"] = html("next")
        found = crawled(f"http://site.test:{port}/", depth=1, resolver=lambda host, port: ["127.0.0.1"])

    assert found.keys == [f"http://www.site.test:{port}/home", f"http://www.site.test:{port}/next"]
    assert [head["host"] for head in site.heads if head][-1] == f"www.site.test:{port}"


@pytest.mark.parametrize(
    "start",
    [
        "ftp://h/x",
        "/a/path",
        "example.org",
        "http://",
        "http://u:p@h/",
        "http://[::1",
        "http://h:99999/",
        "file:///etc/passwd",
        "http://0177.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://a..b/",
    ],
)
def test_a_start_that_is_no_web_address_is_an_error_at_the_door(start: str) -> None:
    with pytest.raises(InvalidAddress):
        crawl(start, limits=CrawlLimits(), progress=silent)


def test_limits_that_make_no_sense_are_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        CrawlLimits(depth=-1)


def test_meta_robots_and_nofollow_are_respected() -> None:
    pages: dict[str, Script] = {
        "/": html(link("/leaf", "/hidden", "/header"), '<a rel="external nofollow" href="/unsaid">x</a>'),
        "/leaf": html(link("/from-leaf"), head='<meta name="ROBOTS" content="NoFollow">'),
        "/hidden": html(link("/from-hidden"), head='<meta name="larkwise" content="noindex">'),
        "/header": html(link("/from-header"), X_Robots_Tag="none"),
        "/from-hidden": html("found", X_Robots_Tag="otherbot: noindex"),
    }
    with serving(pages) as site:
        found = crawled(site.url, depth=3)

    assert found.keys == [f"{site.url}{path}" for path in ("/", "/leaf", "/from-hidden")]
    assert [refused.path for refused in found.refused] == [f"{site.url}/hidden", f"{site.url}/header"]
    assert all("noindex" in refused.reason for refused in found.refused)
    assert not found.crawl.partial


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("noindex", False),
        ("larkwise: noindex", False),
        ("nofollow, unavailable_after: 25 Jun 2030 15:00:00 GMT", True),
        ("noindex, unavailable_after: 25 Jun 2030 15:00:00 GMT", False),
        ("otherbot: noindex, nofollow", True),
        ("all", True),
    ],
)
def test_the_header_speaks_for_a_page_that_is_no_html_too(header: str, kept: bool) -> None:
    with serving({"/a.md": Answer(b"# A", "text/markdown", headers={"X-Robots-Tag": header})}) as site:
        found = crawled(f"{site.url}/a.md")

    assert bool(found.pages) is kept


def test_a_start_page_that_asks_not_to_be_kept_is_a_failure() -> None:
    with serving({"/": html(head='<meta name="robots" content="noindex">')}) as site:
        found = crawled(site.url)

    assert "noindex" in found.reason
    assert found.crawl.partial


def test_the_server_is_told_who_asks_and_gets_no_cookie_back() -> None:
    pages: dict[str, Script] = {"/": html(link("/a"), Set_Cookie="session=1"), "/a": html()}
    with serving(pages) as site:
        crawled(site.url, depth=1)

    assert all(head["user-agent"].startswith("larkwise/") for head in site.heads)
    assert not any("cookie" in head for head in site.heads)
    assert site.heads[0]["host"] == f"127.0.0.1:{site.port}"
