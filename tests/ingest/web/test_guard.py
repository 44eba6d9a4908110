from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingest.web.errors import InvalidAddress, PrivateAddress, Unreachable
from ingest.web.guard import AllowedPrivate, Guard, is_public
from tests.ingest.web.sites import crawled, html, link, moved, serving

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *(
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
    ),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
    ),
    *("2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::1", "100::1", "3fff::1", "5f00::1"),
]
PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_open_internet_is_private(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://[::ffff:7f00:1]/", "http://127.1/"),
        *("http://2130706433/", "http://0x7f000001/", "http://0/", "http://LOCALHOST./"),
        *("http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://127.0.0.1:8080/"),
    ],
)
def test_the_private_network_is_not_asked_however_it_is_spelt(url: str) -> None:
    found = crawled(url, allowed=())

    assert "inside the private network" in found.reason
    assert found.crawl.partial


def test_a_name_that_leads_into_the_private_network_is_refused_without_a_word_on_where() -> None:
    with serving({"/": html("secret")}) as site:
        found = crawled(f"http://nice.test:{site.port}/", allowed=(), resolver=lambda host, port: ["127.0.0.1"])

    assert "nice.test is inside the private network" in found.reason
    assert "127.0.0.1" not in found.reason
    assert not site.asked


def test_one_private_address_among_public_ones_is_enough() -> None:
    found = crawled(
        "http://nice.test/", allowed=(), resolver=lambda host, port: ["1.1.1.1", "2606:4700::1", "10.0.0.1"]
    )

    assert "inside the private network" in found.reason


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/", "http://[::1]/", "http://10.1.2.3/", "//[::ffff:a9fe:a9fe]/x"]
)
def test_a_redirect_into_the_private_network_is_refused(target: str) -> None:
    with serving({"/": moved(target)}) as site:
        found = crawled(site.url)

    assert "inside the private network" in found.reason


def test_a_redirect_to_another_port_is_refused() -> None:
    with serving({"/": html("a database")}) as other, serving({"/": moved(f"{other.url}/")}) as site:
        found = crawled(site.url)

    assert "ports 80 and 443, or the start page's" in found.reason
    assert not other.asked


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://u:p@127.0.0.1/", "javascript:1"]
)
def test_a_redirect_to_what_is_no_web_address_is_refused(target: str) -> None:
    with serving({"/": moved(target)}) as site:
        found = crawled(site.url)

    assert len(found.refused) == 1
    assert site.asked_pages == ["/"]


def test_a_connection_goes_to_the_address_that_was_checked() -> None:
    """A resolver that says something else each time is asked once a connection, and its answer is connected to."""
    answers = iter(["127.0.0.1", "127.0.0.1", "169.254.169.254", "127.0.0.1"])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [next(answers)]

    with serving({"/": html(link("/a")), "/a": html("not asked for")}) as site:
        found = crawled(f"http://nice.test:{site.port}/", depth=1, resolver=rebinding)

    assert asked == ["nice.test"] * 3  # robots.txt, the page, and the page that is refused
    assert site.asked == ["/robots.txt", "/"]
    assert [page.name for page in found.pages] == ["nice.test.html"]
    assert "nice.test is inside the private network" in found.reason


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with serving({"/": html("here")}) as site:
        found = crawled(
            f"http://two.test:{site.port}/",
            allowed={"127.0.0.0/8", "::1"},
            resolver=lambda host, port: ["::1", "127.0.0.1"],
        )

    assert len(found.pages) == 1


def test_the_environments_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as proxy, serving({"/": html("here")}) as site:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        found = crawled(site.url)

    assert len(found.pages) == 1
    assert not proxy.asked


def test_a_host_that_is_allowed_by_name_may_be_anything_but_a_metadata_service() -> None:
    allowed = AllowedPrivate.of(["Wiki.Corp.", "10.1.0.0/16", "[fd00::1]", "169.254.10.1"])

    def allows(host: str, address: str) -> bool:
        return allowed.allows(host, ipaddress.ip_address(address))

    assert allows("wiki.corp", "192.168.0.7")
    assert allows("any.corp", "10.1.2.3")
    assert allows("fd00::1", "fd00::1")
    assert allows("wiki.corp", "169.254.10.1")
    assert not allows("wiki.corp", "169.254.169.254")
    assert not allows("wiki.corp", "::ffff:169.254.169.254")
    assert not allows("wiki.corp", "0.0.0.0")
    assert not allows("any.corp", "192.168.0.7")
    assert not allows("evil-wiki.corp", "192.168.0.7")


@pytest.mark.parametrize("entry", ["http://wiki.corp", "wiki.corp:80", "", "*", "10.0.0.0/99"])
def test_an_entry_that_names_no_host_or_network_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host's name nor a network"):
        AllowedPrivate.of([entry])


def test_a_host_without_an_address_is_named() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(Unreachable, match=r"no\.test cannot be found"):
        Guard(resolve=unknown).addresses("no.test", 80)
    with pytest.raises(Unreachable, match="has no address"):
        Guard(resolve=lambda host, port: []).addresses("no.test", 80)
    with pytest.raises(Unreachable):
        Guard(resolve=lambda host, port: ["nonsense"]).addresses("no.test", 80)


def test_ports_besides_the_webs_are_not_asked() -> None:
    with pytest.raises(InvalidAddress):
        Guard().addresses("1.1.1.1", 6379)
    with pytest.raises(PrivateAddress):
        Guard(ports=frozenset({6379})).addresses("127.0.0.1", 6379)


@pytest.fixture(name="certified")
def _certified(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's side, for wiki.test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wiki.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("wiki.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "both.pem").write_bytes(pem + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "both.pem")
    client = ssl.create_default_context(cadata=pem.decode())
    return server, client


def test_https_is_checked_for_the_name_though_the_connection_is_to_an_address(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = certified
    with serving({"/": html(link("/a")), "/a": html()}, tls=server) as site:
        url = f"https://wiki.test:{site.port}/"
        found = crawled(url, depth=1, tls=client, resolver=lambda host, port: ["127.0.0.1"])
        stranger = crawled(f"https://other.test:{site.port}/", tls=client, resolver=lambda host, port: ["127.0.0.1"])

    assert found.keys == [url, f"{url}a"]
    assert {head["host"] for head in site.heads} == {f"wiki.test:{site.port}"}
    assert not stranger.pages
    assert "certificate" in stranger.reason
