"""Documents over HTTP: uploaded, listed, downloaded, deleted; and everything that is not taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from app.factory import create_app
from app.ingestion import ingest_paths
from app.settings import Settings
from tests.app.servers import Service, running, wait_until_ready
from tests.app.test_cli import larkwise
from tests.app.test_keys import bearer, make_key
from tests.app.uploading import documents_of, ended, upload, uploaded
from tests.ingest.fakes import HashEmbeddings

MIB = 1024 * 1024
FINE = {"fine.md": "# Fine\n\nThis one goes in.\n"}
BOUNDARY = "frontier"


@pytest.fixture(scope="module")
def library_settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    changes = {
        "data_dir": tmp_path_factory.mktemp("library"),
        "upload_max_file_mb": 1,
        "upload_max_mb": 3,
        "upload_max_files": 20,
        "ingest_threads": 1,
    }
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def library(library_settings: Settings) -> Iterator[Service]:
    """A service with small limits, and no documents yet."""
    app = create_app(library_settings)
    with running(app) as url:
        wait_until_ready(url)
        yield Service(url, app)


def found(library: Service, collection: str, question: str, **wanted: Any) -> list[str]:
    store = library.services.collections.open(collection)
    chunks = store.similarity_search(question, k=3, filter=wanted or None)
    return [chunk.metadata["source"] for chunk in chunks]


def part(name: bytes, content: bytes = b"# Text\n", field: bytes = b"files") -> bytes:
    """A part with a file name as no library would write it."""
    head = b'Content-Disposition: form-data; name="' + field + b'"; filename="' + name + b'"'
    return b"--" + BOUNDARY.encode() + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def post_parts(url: str, collection: str, body: bytes, end: bytes = b"--frontier--\r\n") -> httpx.Response:
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return httpx.post(f"{url}/collections/{collection}/documents", content=body + end, headers=kind)


def files_below(settings: Settings) -> list[str]:
    """Every original that is kept or waits."""
    root = settings.data_dir / "originals"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# upload


def test_what_is_uploaded_is_listed_and_found_with_its_labels(library: Service) -> None:
    files = {"refunds.md": "# Refunds\n\nA card can be returned within 15 days.\n", "notes/cold.txt": "Ice is cold."}
    answer = upload(library.url, "first", files, labels='{"team": "hr", "tags": ["a", "b"]}')
    body = answer.json()
    assert (answer.status_code, body["status"], body["collection"]) == (202, "queued", "first")
    assert answer.headers["Location"] == body["links"]["job"] == f"/jobs/{body['job_id']}"
    assert body["files"] == [{"name": name, "size": len(content)} for name, content in files.items()]
    job = ended(library.url, answer)
    assert job["report"]["added"] == list(files)
    assert job["progress"]["done"] == job["progress"]["total"] == 2
    cold, refunds = documents_of(library.url, "first")
    assert (cold["source"], refunds["title"], refunds["chunks"]) == ("notes/cold.txt", "Refunds", 1)
    assert refunds["labels"] == {"team": "hr", "tags": ["a", "b"]}
    assert found(library, "first", "returning a card")[0] == "refunds.md"
    assert found(library, "first", "returning a card", team="sales") == []
    assert len(found(library, "first", "returning a card", tags="b")) == 2


def test_the_answer_of_the_chain_comes_from_what_was_uploaded(library: Service) -> None:
    uploaded(library.url, "asked", {"deadline.md": "# Deadline\n\nA card can be returned within 15 days.\n"})
    asked = {"input": {"question": "Within how many days can a card be returned?", "collection": "asked"}}
    answer = httpx.post(f"{library.url}/rag/invoke", json=asked, timeout=60).json()
    assert [source["metadata"]["source"] for source in answer["output"]["sources"]] == ["deadline.md"]


def test_the_same_name_again_replaces_the_document_and_its_original(library: Service) -> None:
    uploaded(library.url, "again", {"plan.md": "# Plan\n\nWe go by train.\n"})
    (before,) = documents_of(library.url, "again")
    report = uploaded(library.url, "again", {"plan.md": "# Plan\n\nWe go by ship.\n"})
    assert report["changed"] == ["plan.md"]
    (after,) = documents_of(library.url, "again")
    assert after["id"] == before["id"]
    (chunk,) = library.services.collections.open("again").chunks_of(after["id"])
    assert "ship" in chunk.page_content
    assert "ship" in original(library, "again", after["id"]).text
    assert uploaded(library.url, "again", {"plan.md": "# Plan\n\nWe go by ship.\n"})["unchanged"] == ["plan.md"]


def test_what_cannot_be_read_replaces_nothing(library: Service, library_settings: Settings) -> None:
    uploaded(library.url, "kept", {"plan.pdf.md": "# Plan\n\nWe go by train.\n"})
    before = files_below(library_settings)
    report = uploaded(library.url, "kept", {"plan.pdf.md": bytes(range(256)) * 9, "new.md": bytes(range(256)) * 9})
    assert {one["path"] for one in report["failed"]} == {"plan.pdf.md", "new.md"}
    (document,) = documents_of(library.url, "kept")
    assert "train" in original(library, "kept", document["id"]).text
    assert files_below(library_settings) == before


def test_the_same_content_under_two_names_is_one_document_with_both(library: Service) -> None:
    report = uploaded(library.url, "twins", {"a.md": "# One\n\nThe same.\n", "b.md": "# One\n\nThe same.\n"})
    assert (report["added"], report["duplicates"]) == (["a.md"], ["b.md"])
    (document,) = documents_of(library.url, "twins")
    assert document["sources"] == ["a.md", "b.md"]
    assert original(library, "twins", document["id"]).status_code == 200


def test_a_name_in_another_spelling_of_unicode_is_the_same_name(library: Service) -> None:
    uploaded(library.url, "spelling", {"Café.md": "# Menu\n\nTea.\n"})
    assert uploaded(library.url, "spelling", {"Cafe\u0301.md": "# Menu\n\nCoffee.\n"})["changed"] == ["Café.md"]


# bad input


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"../outside.md", "leads out"),
        (b"a/../../outside.md", "leads out"),
        (b"..\\\\outside.md", "leads out"),
        (b"/etc/outside.md", "absolute"),
        (b"a\x07b.md", "control characters"),
        (b"", "no name"),
        (b".", "no name"),
        (("长" * 300 + ".md").encode(), "255 characters"),
        ("报告.md".encode("gbk"), "not in UTF-8"),
        (b"tool.exe", "no loader for .exe"),
        (b"README", "files without an ending"),
        (b"fine.md", "twice"),
    ],
)
def test_a_bad_file_is_reported_and_the_others_go_in(
    library: Service, library_settings: Settings, name: bytes, words: str
) -> None:
    answer = post_parts(library.url, "bad", part(b"fine.md", b"# Fine\n\nThis one goes in.\n") + part(name))
    assert answer.status_code == 202, answer.text
    fine, bad = answer.json()["files"]
    assert (fine, words in bad["error"]) == ({"name": "fine.md", "size": 26}, True), bad
    job = ended(library.url, answer)
    assert [(one["path"], one["reason"]) for one in job["report"]["failed"]] == [(bad["name"], bad["error"])]
    assert [document["source"] for document in documents_of(library.url, "bad")] == ["fine.md"]
    assert not list(library_settings.data_dir.parent.rglob("outside*"))
    assert all(re.fullmatch(r"[\w-]+/[0-9a-f]{32}\.\w+", file) for file in files_below(library_settings))


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({"tool.exe": b"MZ", "a/b.bin": b"x"}, 415, "unsupported_type"),
        ({"large.md": b"x" * (MIB + 1)}, 413, "too_large"),
        ({"../x.md": b"x"}, 400, "bad_parameter"),
        ({"../x.md": b"x", "large.md": b"x" * (MIB + 1), "tool.exe": b"MZ"}, 415, "unsupported_type"),
        ({}, 400, "bad_parameter"),
    ],
)
def test_where_nothing_is_left_it_is_an_error_and_leaves_nothing(
    library: Service, library_settings: Settings, files: dict[str, bytes], status: int, code: str
) -> None:
    before = files_below(library_settings)
    answer = upload(library.url, "nothing", files, labels="{}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert all(name in error["message"] for name in files)
    assert files_below(library_settings) == before
    assert not list((library_settings.data_dir / "originals" / ".incoming").iterdir())


def test_a_file_that_is_too_large_does_not_keep_the_others_out(library: Service) -> None:
    job = ended(library.url, upload(library.url, "large", {"large.md": b"x" * (MIB + 1), **FINE}))
    assert "more than 1 MiB" in job["files"][0]["error"]
    assert job["report"]["added"] == ["fine.md"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("mib", [4, 12])
def test_a_request_that_is_too_large_is_413_for_whoever_still_sends(library: Service, mib: int, chunked: bool) -> None:
    body = part(b"a.md", b"x" * (mib * MIB))
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    content = (body[start : start + MIB] for start in range(0, len(body), MIB)) if chunked else body
    address = f"{library.url}/collections/large/documents"
    try:
        answer = httpx.post(address, content=content, headers=kind, timeout=60)
    except httpx.TransportError:
        assert mib == 12  # four times the limit: nobody listens any more
        return
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_too_many_files_are_413(library: Service) -> None:
    answer = upload(library.url, "many", {f"{number}.md": "# Text\n" for number in range(21)})
    assert answer.status_code == 413
    assert "at most 20 files" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("team=hr", "JSON object"),
        ("[1]", "JSON object"),
        ('{"source": "x"}', "uses itself"),
        ('{"a b": 1}', "cannot name a label"),
        ('{"team": {"deep": 1}}', "'team' must be"),
        ('{"team": null}', "'team' must be"),
        ('{"team": NaN}', "JSON object"),
        ("[" * 100_000, "is too long"),
        ("[" * 50_000, "JSON object"),
    ],
)
def test_bad_labels_are_400(library: Service, labels: str, words: str) -> None:
    answer = upload(library.url, "labels", FINE, labels=labels)
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (400, True), answer.text


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"{}", "application/json", "multipart/form-data"),
        (b"{}", "multipart/form-data", "multipart/form-data"),
        (b"no form", f"multipart/form-data; boundary={BOUNDARY}", "no multipart/form-data"),
        (part(b"a.md"), f"multipart/form-data; boundary={BOUNDARY}", "broke off"),
        (b"", f"multipart/form-data; boundary={BOUNDARY}", "broke off"),
        (part(b"a.md", field=b"file") + b"--frontier--", f"multipart/form-data; boundary={BOUNDARY}", "field `files`"),
    ],
)
def test_what_is_no_form_is_400(library: Service, body: bytes, kind: str, words: str) -> None:
    answer = httpx.post(f"{library.url}/collections/forms/documents", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (400, True), answer.text


def test_an_unknown_field_is_400(library: Service) -> None:
    answer = upload(library.url, "fields", FINE, label="{}")
    assert (answer.status_code, "'label'" in answer.json()["error"]["message"]) == (400, True)


def test_a_full_disk_is_503(library: Service, library_settings: Settings) -> None:
    incoming = library_settings.data_dir / "originals" / ".incoming"
    uploaded(library.url, "disk", FINE)
    aside = incoming.rename(incoming.with_name(".aside"))
    incoming.touch()  # root may write everywhere, but not below a file
    try:
        answer = upload(library.url, "disk", FINE)
    finally:
        incoming.unlink()
        aside.rename(incoming)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_full")
    assert "Retry-After" in answer.headers


# originals


def original(library: Service, collection: str, document_id: str) -> httpx.Response:
    return httpx.get(f"{library.url}/collections/{collection}/documents/{document_id}/original")


def test_an_original_comes_back_byte_by_byte_under_its_chinese_name(library: Service) -> None:
    content = "# 报告\n\n工作温度为 5 到 45 °C。\n".encode("gbk")
    uploaded(library.url, "originals", {"文件/季度 报告.md": content})
    (document,) = documents_of(library.url, "originals")
    answer = original(library, "originals", document["id"])
    kind, _, name = answer.headers["Content-Disposition"].partition("; filename*=utf-8''")
    assert (answer.content, kind, unquote(name)) == (content, "attachment", "季度 报告.md")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Encoding" not in answer.headers


def test_a_page_is_never_shown_as_one_of_ours(library: Service) -> None:
    page = "<html><head><title>Page</title></head><body><p>Text.</p><script>alert(1)</script></body></html>"
    uploaded(library.url, "pages", {"page.html": page})
    (document,) = documents_of(library.url, "pages")
    answer = original(library, "pages", document["id"])
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_what_was_not_uploaded_has_no_original_and_says_so(
    library: Service, library_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "local.md").write_text("# Local\n\nRead from the disk.\n")
    ingest_paths(library_settings, [tmp_path], "local")
    (document,) = documents_of(library.url, "local")
    answer = original(library, "local", document["id"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_original")
    assert "was not uploaded" in answer.json()["error"]["message"]
    assert str(tmp_path) not in answer.text
    httpx.delete(f"{library.url}/collections/local/documents/{document['id']}")
    assert (tmp_path / "local.md").exists()


def test_an_original_that_is_gone_is_told_as_that(library: Service, library_settings: Settings) -> None:
    uploaded(library.url, "lost", FINE)
    (document,) = documents_of(library.url, "lost")
    next((library_settings.data_dir / "originals" / "lost").iterdir()).unlink()
    assert "no longer kept" in original(library, "lost", document["id"]).json()["error"]["message"]


def test_originals_move_with_the_data(library: Service, library_settings: Settings) -> None:
    """A copied collection names the originals of the other one, wherever they are."""
    uploaded(library.url, "moved", FINE)
    library.services.collections.copy("moved", "copy")
    (document,) = documents_of(library.url, "copy")
    assert original(library, "copy", document["id"]).status_code == 200
    assert httpx.delete(f"{library.url}/collections/copy/documents/{document['id']}").status_code == 200
    assert original(library, "moved", document["id"]).status_code == 200


# documents


def test_a_deleted_document_is_found_no_more_and_its_original_is_gone(
    library: Service, library_settings: Settings
) -> None:
    uploaded(library.url, "deleting", {"secret.md": "# Secret\n\nThe code is blue.\n", **FINE})
    secret = next(one for one in documents_of(library.url, "deleting") if one["source"] == "secret.md")
    path = f"{library.url}/collections/deleting/documents/{secret['id']}"
    assert httpx.get(path).json() == secret
    assert httpx.delete(path).json() == {"deleted": secret["id"]}
    assert found(library, "deleting", "Which code is it?") == ["fine.md"]
    assert len(list((library_settings.data_dir / "originals" / "deleting").iterdir())) == 1
    for answer in (httpx.get(path), httpx.delete(path), httpx.get(f"{path}/original")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_document")
    assert uploaded(library.url, "deleting", {"secret.md": "# Secret\n\nThe code is red.\n"})["added"] == ["secret.md"]


def test_pages_of_documents_follow_each_other(library: Service) -> None:
    uploaded(library.url, "paged", {f"{number}.md": f"# {number}\n\nText {number}.\n" for number in range(7)})
    names: list[str] = []
    cursor: dict[str, str] = {}
    for expected in (3, 3, 1):
        address = f"{library.url}/collections/paged/documents"
        page = httpx.get(address, params={"limit": 3, **cursor}).json()
        assert (len(page["documents"]), page["total"]) == (expected, 7)
        names += [one["source"] for one in page["documents"]]
        cursor = {"cursor": page["next"]} if page["next"] else {}
    assert (names, cursor) == ([f"{number}.md" for number in range(7)], {})


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "cursor=x", "cursor=W10", "cursor=WzEsMiwzXQ", "cursor=%00"]
)
def test_a_page_that_cannot_be_is_400(library: Service, query: str) -> None:
    library.services.collections.create("paged")
    answer = httpx.get(f"{library.url}/collections/paged/documents?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")


# collections


def test_collections_are_made_described_listed_and_deleted(library: Service, library_settings: Settings) -> None:
    made = httpx.post(f"{library.url}/collections", json={"name": "手册"})
    assert (made.status_code, made.headers["Location"]) == (201, "/collections/%E6%89%8B%E5%86%8C")
    assert made.json()["documents"] == 0
    again = httpx.post(f"{library.url}/collections", json={"name": "手册"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "collection_exists")
    uploaded(library.url, "手册", FINE)
    described = httpx.get(f"{library.url}/collections/手册").json()
    assert (described["documents"], described["chunks"], described["embedding"]) == (
        1,
        1,
        "use-multilingual-v3+all-minilm-l6-v2",
    )
    listed = httpx.get(f"{library.url}/collections").json()
    assert described in listed["collections"]
    assert httpx.delete(f"{library.url}/collections/手册").json() == {"deleted": "手册"}
    assert not (library_settings.data_dir / "originals" / "手册").exists()
    for answer in (
        httpx.get(f"{library.url}/collections/手册"),
        httpx.delete(f"{library.url}/collections/手册"),
        httpx.get(f"{library.url}/collections/手册/documents"),
        httpx.get(f"{library.url}/collections/手册/documents/x"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_collection")
    assert uploaded(library.url, "手册", FINE)["added"] == ["fine.md"]


@pytest.mark.parametrize("name", ["a b", "a.b", "x" * 65, "-/x", ""])
def test_a_name_that_no_collection_can_have_is_400(library: Service, name: str) -> None:
    assert httpx.post(f"{library.url}/collections", json={"name": name}).status_code == 400
    if "/" not in name and name:
        assert httpx.get(f"{library.url}/collections/{name}").status_code == 400
        assert upload(library.url, name, FINE).status_code == 400


@pytest.mark.parametrize("name", ["%2e%2e", "..%2fx"])
def test_no_path_leads_out_of_the_collections(library: Service, name: str) -> None:
    for method in ("GET", "DELETE"):
        assert httpx.request(method, f"{library.url}/collections/{name}").status_code in (400, 404, 405)


def test_what_was_made_with_another_model_is_named_and_takes_no_uploads(
    library: Service, library_settings: Settings
) -> None:
    from ingest.collections import Collections, EmbeddingModel

    foreign = Collections(library_settings.data_dir / "collections", EmbeddingModel(HashEmbeddings(), "other"))
    foreign.create("foreign")
    assert "other" in httpx.get(f"{library.url}/collections").json()["unusable"]["foreign"]
    answer = upload(library.url, "foreign", FINE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "embedding_mismatch")
    assert httpx.delete(f"{library.url}/collections/foreign").status_code == 200


def test_the_command_line_removes_originals_as_well(library: Service, library_settings: Settings) -> None:
    uploaded(library.url, "terminal", {"a.md": "# A\n\nText.\n", "b.md": "# B\n\nText.\n"})
    folder = library_settings.data_dir / "originals" / "terminal"
    assert larkwise(library_settings, "documents", "delete", "a.md", "-c", "terminal", "--yes").returncode == 0
    assert len(list(folder.iterdir())) == 1
    assert larkwise(library_settings, "collections", "delete", "terminal", "--yes").returncode == 0
    assert not folder.exists()
    assert httpx.get(f"{library.url}/collections/terminal").status_code == 404


def test_everything_needs_a_key_where_keys_are_wanted(library_settings: Settings) -> None:
    settings = library_settings.model_copy(update={"api_keys_required": True})
    key = make_key(settings, "uploader")
    with running(create_app(settings)) as url:
        wait_until_ready(url)
        paths = ("/collections", "/jobs", "/jobs/x", "/jobs/x/events", "/collections/a/documents")
        for path in paths:
            assert httpx.get(f"{url}{path}").status_code == 401
        assert upload(url, "keyed", FINE).status_code == 401
        assert httpx.delete(f"{url}/collections/again").status_code == 401
        assert httpx.get(f"{url}/collections", headers=bearer(key)).status_code == 200
