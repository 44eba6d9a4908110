from __future__ import annotations

import pytest

from ingest.web.limits import CrawlLimits
from ingest.web.pages import LeftOut
from ingest.web.robots import MAX_ROBOTS_BYTES, Rule, parse_robots
from tests.ingest.web.sites import Answer, Script, Time, crawled, html, link, moved, serving


def text(*lines: str, status: int = 200) -> Answer:
    return Answer("\n".join(lines).encode(), kind="text/plain", status=status)


def busy(status: int = 429, **headers: str) -> Answer:
    return Answer(status=status, headers={key.replace("_", "-"): value for key, value in headers.items()})


def test_what_robots_txt_forbids_is_left_out() -> None:
    pages: dict[str, Script] = {
        "/robots.txt": text("User-agent: *", "Disallow: /private/", "Disallow: /*?action="),
        "/": html(link("/private/a", "/open", "/open?action=edit")),
        "/open": html("open"),
    }
    with serving(pages) as site:
        found = crawled(site.url, depth=2)

    assert site.asked == ["/robots.txt", "/", "/open"]
    assert [type(refused) for refused in found.refused] == [LeftOut, LeftOut]
    assert "robots.txt asks larkwise not to" in found.refused[0].reason
    assert not found.crawl.partial


def test_a_start_page_that_robots_txt_forbids_is_a_failure() -> None:
    with serving({"/robots.txt": text("User-agent: larkwise", "Disallow: /"), "/": html()}) as site:
        found = crawled(site.url)

    assert site.asked == ["/robots.txt"]
    assert found.crawl.partial


def test_a_redirect_to_a_forbidden_page_is_not_followed() -> None:
    pages: dict[str, Script] = {
        "/robots.txt": text("User-agent: *", "Disallow: /private"),
        "/": moved("/private"),
        "/private": html("private"),
    }
    with serving(pages) as site:
        crawled(site.url)

    assert site.asked == ["/robots.txt", "/"]


@pytest.mark.parametrize(
    ("answer", "comes"),
    [
        (text(status=404), True),
        (text(status=403), True),
        (text(status=500), False),
        (busy(429), False),
        (moved("/robots.txt"), True),  # more than five redirects are as if there were none
        (moved("http://169.254.169.254/"), False),
        (Answer(b"<html>no robots here</html>"), True),
        (Answer(b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /"), False),
    ],
)
def test_without_robots_txt_everything_may_be_read_and_in_trouble_nothing(answer: Answer, comes: bool) -> None:
    with serving({"/robots.txt": answer, "/": html("here")}) as site:
        found = crawled(site.url)

    assert bool(found.pages) is comes
    assert found.crawl.partial is not comes


def test_robots_txt_is_asked_for_once_and_followed_through_its_redirects() -> None:
    pages: dict[str, Script] = {
        "/robots.txt": moved("/1"),
        "/1": moved("/2"),
        "/2": text("User-agent: *", "Disallow: /a"),
        "/": html(link("/a", "/b")),
        "/b": html(link("/a")),
    }
    with serving(pages) as site:
        crawled(site.url, depth=3)

    assert site.asked == ["/robots.txt", "/1", "/2", "/", "/b"]


def test_a_robots_txt_without_end_is_read_as_far_as_it_must_be() -> None:
    def endless() -> Answer:
        lines = (b"Disallow: /%d\n" % number for number in range(10**9))
        return Answer((piece for group in ([b"User-agent: *\nDisallow: /a\n"], lines) for piece in group), "text/plain")

    with serving({"/robots.txt": endless, "/": html(link("/a", "/7"))}) as site:
        found = crawled(site.url, depth=1)

    assert site.asked == ["/robots.txt", "/"]
    assert len(found.refused) == 2


def test_requests_keep_their_distance() -> None:
    time = Time()
    with serving({"/": html(link("/a", "/b")), "/a": html(), "/b": moved("/c"), "/c": html()}) as site:
        crawled(site.url, limits=CrawlLimits(depth=1, delay_s=2.5), time=time)

    assert time.slept == [2.5] * 4  # before /, /a, /b and /c


@pytest.mark.parametrize(("asked", "kept"), [("7", 7.0), ("0.5", 1.0), ("3600", 30.0), ("nan", 1.0), ("-5", 1.0)])
def test_a_longer_crawl_delay_is_kept_up_to_half_a_minute(asked: str, kept: float) -> None:
    time = Time()
    robots = text("User-agent: *", f"Crawl-delay: {asked}")
    with serving({"/robots.txt": robots, "/": html(link("/a")), "/a": html()}) as site:
        crawled(site.url, depth=1, time=time)

    assert time.slept == [kept, kept]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(status: int) -> None:
    time = Time()
    with serving({"/": [busy(status, Retry_After="7"), busy(status), html("here")]}) as site:
        found = crawled(site.url, time=time)

    assert len(found.pages) == 1
    assert time.slept == [1.0, 7.0, 5.0]  # the delay after robots.txt is over by each later try


def test_a_date_to_come_again_is_by_the_servers_own_clock() -> None:
    time = Time()
    later = busy(503, Retry_After="Wed, 21 Oct 2015 07:28:30 GMT", Date="Wed, 21 Oct 2015 07:28:00 GMT")
    with serving({"/": [later, html("here")]}) as site:
        crawled(site.url, time=time)

    assert time.slept == [1.0, 30.0]


def test_a_server_that_stays_busy_is_left_alone_after_two_more_tries() -> None:
    with serving({"/": busy(429, Retry_After="1")}) as site:
        found = crawled(site.url)

    assert site.asked_pages == ["/"] * 3
    assert "status 429" in found.reason
    assert found.crawl.partial


def test_a_server_that_wants_to_be_left_alone_for_long_is() -> None:
    with serving({"/": busy(503, Retry_After="3600")}) as site:
        found = crawled(site.url)

    assert site.asked_pages == ["/"]
    assert "try again after 3600" in found.reason


def test_a_crawl_ends_in_its_time() -> None:
    time = Time()
    pages: dict[str, Script] = {f"/{number}": html(link(f"/{number + 1}")) for number in range(50)}
    with serving(pages) as site:
        found = crawled(f"{site.url}/0", limits=CrawlLimits(depth=50, seconds=10, delay_s=2), time=time)

    assert len(found.pages) == 4
    assert "the 10 s of the crawl are over" in found.reason
    assert found.crawl.partial
    assert sum(time.slept) < 10


@pytest.mark.parametrize(
    ("robots", "path", "allowed"),
    [
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /a/b\nDisallow: /a/b", "/a/b", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf?x", True),
        ("User-agent: *\nDisallow: /a*b*c", "/a1b2c3", False),
        ("User-agent: *\nDisallow: /a*b*c", "/acb", True),
        ("User-agent: *\nDisallow: /$", "/", False),
        ("User-agent: *\nDisallow: /$", "/a", True),
        ("User-agent: *\nDisallow: /ab*ab$", "/ab", True),
        ("User-agent: *\nDisallow: /手册", "/%E6%89%8B%E5%86%8C", False),
        ("User-agent: *\nDisallow: /%7ea", "/~a", False),
        ("User-agent: Larkwise/2.0\nDisallow: /a\nUser-agent: *\nDisallow: /", "/b", True),
        ("User-agent: larkwise\n\nDisallow: /a", "/a", False),
        ("User-agent: other\nUser-agent: larkwise\nDisallow: /a", "/a", False),
        (
            "User-agent: larkwise\nDisallow: /a\nUser-agent: x\nDisallow: /\nUser-agent: larkwise\nDisallow: /b",
            "/b",
            False,
        ),
        ("User-agent: larkwise\nUser-agent: *\nCrawl-delay: 2", "/a", True),
        ("User-agent: larkwisest\nDisallow: /", "/a", True),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("Disallow: /", "/a", True),
        ("user-AGENT : * # all\n disallow : /a # this", "/a", False),
        ("", "/a", True),
        ("\x00\xff: nonsense\nDisallow", "/a", True),
    ],
)
def test_the_rules_of_robots_txt(robots: str, path: str, allowed: bool) -> None:
    assert parse_robots(robots.encode(), "larkwise").allows(path) is allowed


@pytest.mark.timeout(30)
def test_a_rule_of_many_asterisks_takes_no_time() -> None:
    assert not Rule("/" + "*a" * 10_000 + "b", is_allowed=False).matches("/" + "a" * 20_000)


def test_only_the_beginning_of_a_long_robots_txt_counts() -> None:
    long = b"User-agent: *\n" + b"# a\n" * (MAX_ROBOTS_BYTES // 4) + b"Disallow: /\n"

    assert parse_robots(long, "larkwise").allows("/a")
