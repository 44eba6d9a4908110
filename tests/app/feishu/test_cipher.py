"""Encryption and signature: the published vectors, and lark-oapi as the one to agree with."""

from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.feishu.cipher import decrypt, encrypt
from app.feishu.deliveries import Challenge, Keys, open_delivery
from app.feishu.errors import NotAuthentic
from app.feishu.signature import is_signed, signature

USER_CREATED = (
    "bZ3L7yh6m3Fkuffl4g+3uGjIHnhOm5fVZbKVuyT8t7tcd5ABMYm8l28/X900ZL3knZ7n+sCREu/H2WnIzft0amC7+xWqNH8o25IU63N4BnZWfHh+"
    "4hyG76QPd19vkw2bPJCx9aqxK8Nz+xqFNbk0RdgyWhmgd30jSxHtcQXAllkI7FMpGpOCteJad3bLXPDBQIV/xkCtKICCS7Z63gakpxZCLaRZ3qCX"
    "P1fapHh+LBIupxenrU6ysc7I3nHmjmKie41IiWwS5puG4zQHhVbq6KWLcgWm/3NBZOPQy53ucMu75SXA55I7jarVLZXWUcqBGrcgE3vouWbtwgZu"
    "zmoTQl0GSh5VYSVvpW992BuGxUWj0XjPYdICJm6Cr7xouNXwMcdb7N8caVdkdSZeEnswG19qSyDoQhklwzNGW0yiaayulBqJNjfge/G5V3401c2X"
    "aIuAeEIo+QQ4RSNpRGfnHkbu/j55FGQAGWjpuBNaIwZbaUoVP3NkGP+vM5rpEDe3sL2GN+Xsd+g9yBs7FqdMV8mXTGgLjCqjrPrke5/km76Q3Pe6"
    "KPs2YexMRG4MkSx3xUTzZnNn7zIzShPcjeSwBd2pxk6ht5N+fzueZdxl6Oo="
)
URL_VERIFICATION = (
    "tT1xP+ovuc0T3b/rnZX3ax76exqAn0ANQ6/U45GcciC0mgNBc8JtvqOJGNAPMKpgRs2dVU1NYk9VDeqS8T4SYtU0hzNU54aS84WnxvZ3VFfDcy/R"
    "yABlNqlUiGyLDzFI0yxdCMT4KR/YEQXlt6nZi50KwRlZ+A75r645KesZuLMljezYyY8VeeXEVjPw35+e"
)
HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80)
KEY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
BLOCK = st.binary(min_size=16, max_size=16)
thorough = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="session")
def lark() -> SimpleNamespace:
    """What Feishu's own package does with deliveries; importing it takes seconds."""

    async def imported() -> SimpleNamespace:  # in a running loop, or the import would make one and leave it open
        from lark_oapi.core.model import RawRequest
        from lark_oapi.core.utils.decryptor import AESCipher
        from lark_oapi.event.dispatcher_handler import EventDispatcherHandler

        return SimpleNamespace(AESCipher=AESCipher, RawRequest=RawRequest, Handler=EventDispatcherHandler)

    return asyncio.run(imported())


def test_the_vector_of_the_documentation_is_decrypted() -> None:
    assert decrypt("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key") == b"hello world"


def test_the_vector_of_the_node_sdk_is_a_challenge() -> None:
    opened = json.loads(decrypt(URL_VERIFICATION, "mazhe.nerd"))
    assert (opened["type"], opened["challenge"]) == ("url_verification", "5634b122-c042-4634-bc7f-b07a3c3e77ad")

    keys = Keys("cli_a1", "mazhe.nerd", opened["token"])
    found = open_delivery({}, json.dumps({"encrypt": URL_VERIFICATION}).encode(), keys, now_s=0)
    assert found == Challenge("5634b122-c042-4634-bc7f-b07a3c3e77ad")


def test_the_vector_of_the_go_and_java_sdks_is_an_event() -> None:
    opened = json.loads(decrypt(USER_CREATED, "1212121212"))

    assert (opened["schema"], opened["header"]["event_type"]) == ("2.0", "contact.user.created_v3")


@thorough
@given(
    plain=st.binary(max_size=200),
    key=st.text(st.characters(codec="utf-8"), max_size=40),
    iv=st.binary(min_size=16, max_size=16),
)
def test_lark_oapi_decrypts_what_we_encrypt(lark: SimpleNamespace, plain: bytes, key: str, iv: bytes) -> None:
    encrypted = encrypt(plain, key, iv)

    assert lark.AESCipher(key).decrypt(base64.b64decode(encrypted)) == plain
    assert decrypt(encrypted, key) == plain


@thorough
@given(data=st.binary(max_size=64) | st.binary(min_size=32, max_size=32) | st.binary(min_size=48, max_size=48))
def test_lark_oapi_and_we_agree_on_what_cannot_be_decrypted(lark: SimpleNamespace, data: bytes) -> None:
    try:
        theirs = lark.AESCipher("the key").decrypt(data)
    except ValueError:
        with pytest.raises(NotAuthentic):
            decrypt(base64.b64encode(data).decode(), "the key")
    else:
        assert decrypt(base64.b64encode(data).decode(), "the key") == theirs


@thorough
@given(timestamp=HEADER, nonce=HEADER, key=KEY, body=st.binary(max_size=200))
def test_lark_oapi_accepts_our_signature_and_no_other(
    lark: SimpleNamespace, timestamp: str, nonce: str, key: str, body: bytes
) -> None:
    ours = signature(timestamp, nonce, key, body)
    request = lark.RawRequest()
    request.body = body
    request.headers = {
        "X-Lark-Request-Timestamp": timestamp,
        "X-Lark-Request-Nonce": nonce,
        "X-Lark-Signature": ours,
    }

    lark.Handler()._verify_sign(request, key)
    assert is_signed(ours, timestamp, nonce, key, body)

    request.body += b" "
    with pytest.raises(Exception, match="signature verification failed"):
        lark.Handler()._verify_sign(request, key)
    assert not is_signed(ours, timestamp, nonce, key, body + b" ")
