"""Wikis and folders of Feishu in a collection: what is fetched, what is not, and what is never lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.feishu.documents import DriveFolder, Shelf, WikiSpace, site_of
from app.feishu.library import Library, open_library
from app.feishu.listing import feishu_listing
from app.feishu.patience import Patience
from app.feishu.showing import page_of
from app.settings import Settings, SettingsError
from ingest.collections import Collections, EmbeddingModel
from ingest.documents import IngestReport
from ingest.embedding import EmbedHere
from ingest.files import list_files
from ingest.pipeline import IngestOptions, ingest
from ingest.stores.faiss import FaissStore
from tests.app.feishu.platform import Platform, Trouble
from tests.app.feishu.platform.documents import Folder, Space, Thing
from tests.app.feishu.platform.docx import heading, link, table, text
from tests.ingest.fakes import HashEmbeddings

QUICK = Patience(tries=2, first_s=0.01, longest_s=0.02)
SITE = "https://feishu.cn"
BLOCKS = "/blocks"
HOUR_S = 3600


@pytest.fixture
def store(tmp_path: Path) -> FaissStore:
    return Collections(tmp_path / "collections", EmbeddingModel(HashEmbeddings(), "hash")).create("default")


@pytest.fixture
def library(platform: Platform) -> Iterator[Library]:
    with open_library(platform.credentials, patience=QUICK) as opened:
        yield opened


@pytest.fixture
def wiki(platform: Platform) -> Space:
    return platform.wiki()


def run(
    store: FaissStore,
    library: Library,
    of: Space | Folder,
    platform: Platform,
    *,
    prune: bool = True,
    later_s: float = HOUR_S,
) -> IngestReport:
    """As somebody does it some time after the last edit."""
    shelf: Shelf = (
        WikiSpace(library, of.space_id, SITE) if isinstance(of, Space) else DriveFolder(library, of.token, SITE)
    )
    listing = feishu_listing(shelf, library, now_s=lambda: platform.clock.now() + later_s)
    return ingest(store, listing, IngestOptions(prune=prune), EmbedHere(store.embeddings), progress=lambda *_: None)


def texts(store: FaissStore) -> str:
    return "\n".join(chunk.page_content for document in store.documents() for chunk in store.chunks_of(document.id))


def fetched(platform: Platform, part: str = BLOCKS) -> int:
    return len(platform.calls(part, method="GET"))


def test_every_page_of_a_wiki_goes_in_with_its_headings_and_is_cited_by_its_address(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    leave = wiki.page(
        "Leave", [heading(1, "Parents"), text("98 days, see ", link("law", "https://law.example/1"), ".")]
    )
    days = wiki.page("Days", [table([["Class", "Days"], ["A", "10"]])], parent=leave)
    platform.empty_pages.add("/nodes")

    report = run(store, library, wiki, platform)

    addresses = [f"{SITE}/wiki/{leave.token}", f"{SITE}/wiki/{days.token}"]
    assert (sorted(report.added), report.failed, report.skipped) == (sorted(addresses), (), ())
    chunks = {chunk.metadata["source"]: chunk for chunk in store.similarity_search("x", k=9)}
    assert chunks[addresses[0]].metadata["title"] == "Leave"
    assert chunks[addresses[0]].metadata["headings"] == "Parents"
    assert "98 days, see [law](https://law.example/1)." in chunks[addresses[0]].page_content
    assert "| A | 10 |" in chunks[addresses[1]].page_content


def test_a_page_that_was_not_edited_is_not_fetched_again(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    one, other = (wiki.page(title, [text(f"Of {title}.")]) for title in ("One", "Other"))
    run(store, library, wiki, platform)

    assert len(run(store, library, wiki, platform).unchanged) == 2
    assert fetched(platform) == 2
    platform.documents.edit(one.thing, blocks=[text("New words.")])
    report = run(store, library, wiki, platform)

    assert (report.changed, report.unchanged) == ((f"{SITE}/wiki/{one.token}",), (f"{SITE}/wiki/{other.token}",))
    assert fetched(platform) == 3
    assert ("New words." in texts(store), "Of One." in texts(store)) == (True, False)


def test_a_page_that_may_still_be_edited_in_the_same_second_is_looked_at_again(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    page = wiki.page("Now", [text("First words.")])
    run(store, library, wiki, platform, later_s=0)
    edited_s = page.thing.edited_s
    platform.documents.edit(page.thing, blocks=[text("Second words.")])
    page.thing.edited_s = edited_s

    assert len(run(store, library, wiki, platform).changed) == 1

    assert "Second words." in texts(store)


def test_a_page_that_cannot_be_fetched_keeps_its_text_and_is_fetched_the_next_time(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    page = wiki.page("Rules", [text("Old rule.")])
    run(store, library, wiki, platform)
    platform.documents.edit(page.thing, blocks=[text("New rule.")])
    platform.fail(BLOCKS, times=2, with_=Trouble.http(502))

    failed = run(store, library, wiki, platform).failed

    assert [(one.path, "'Rules' cannot be fetched" in one.reason) for one in failed] == [
        (f"{SITE}/wiki/{page.token}", True)
    ]
    assert "Old rule." in texts(store)
    assert len(run(store, library, wiki, platform).changed) == 1
    assert "New rule." in texts(store)


def test_a_page_that_is_gone_leaves_when_everything_could_be_listed(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    stays, goes = wiki.page("Stays", [text("a")]), wiki.page("Goes", [text("b")])
    run(store, library, wiki, platform)
    wiki.remove(goes)

    assert run(store, library, wiki, platform).removed == (f"{SITE}/wiki/{goes.token}",)

    assert [document.source for document in store.documents()] == [f"{SITE}/wiki/{stays.token}"]


@pytest.mark.parametrize(
    ("code", "words"), [(131006, "add it to the members of the wiki space"), (131005, "not all of what is in")]
)
def test_nothing_leaves_where_a_part_of_the_wiki_cannot_be_listed(
    platform: Platform, store: FaissStore, library: Library, wiki: Space, code: int, words: str
) -> None:
    parent, goes = wiki.page("Parent", [text("a")]), wiki.page("Goes", [text("b")])
    wiki.page("Child", [text("c")], parent=parent)
    run(store, library, wiki, platform)
    wiki.remove(goes)
    platform.fail("/nodes", skip=1, with_=Trouble.error(code, "no"))

    report = run(store, library, wiki, platform)

    assert report.removed == ()
    assert "not everything could be listed" in report.kept_back
    assert [(one.path, words in one.reason) for one in report.failed] == [(f"{SITE}/wiki/{parent.token}", True)]
    assert len(store.documents()) == 3


def test_what_comes_before_an_error_goes_in_and_nothing_leaves(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    for number in range(55):
        wiki.other("mindnote", f"Map {number}")
    wiki.page("Late", [text("Late words.")])
    run(store, library, wiki, platform)
    first = wiki.page("First", [text("First words.")])
    wiki.nodes = {first.token: first, **wiki.nodes}
    platform.fail("/nodes", skip=1, times=2, with_=Trouble.http(502))

    report = run(store, library, wiki, platform)

    assert report.added == (f"{SITE}/wiki/{first.token}",)
    assert (report.removed, len(report.failed)) == ((), 1)
    assert "Late words." in texts(store)


def test_a_wiki_that_the_app_may_not_read_says_what_to_do(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    wiki.page("Secret", [text("x")])
    wiki.member = False

    (failed,) = run(store, library, wiki, platform).failed

    assert "add it to the members of the wiki space" in failed.reason
    assert failed.path == f"{SITE}/wiki/space/{wiki.space_id}"


def test_a_shortcut_is_the_page_that_it_leads_to_once(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    elsewhere = platform.wiki()
    here, there = wiki.page("Here", [text("a")]), elsewhere.page("There", [text("b")])
    elsewhere.page("Below", [text("c")], parent=there)
    wiki.shortcut(here)
    wiki.shortcut(there)

    report = run(store, library, wiki, platform)

    assert sorted(report.added) == sorted(f"{SITE}/wiki/{node.token}" for node in (here, there))
    assert fetched(platform) == 2


def test_files_are_read_by_their_loaders_and_what_no_loader_reads_is_not_fetched(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    notes = wiki.file("notes.txt", "会议记录：预算已批准。".encode("gbk"))
    film = wiki.file("film.mp4", b"?")

    report = run(store, library, wiki, platform)

    assert report.added == (f"{SITE}/wiki/{notes.token}",)
    assert [(one.path, "no loader for .mp4" in one.reason) for one in report.skipped] == [
        (f"{SITE}/wiki/{film.token}", True)
    ]
    assert "预算已批准" in texts(store)
    assert fetched(platform, "/download") == 1


def test_kinds_that_are_not_read_are_named_with_what_to_do(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    for kind in ("sheet", "bitable", "mindnote", "slides", "doc", "hologram"):
        wiki.other(kind, f"A {kind}")

    report = run(store, library, wiki, platform)

    reasons = {one.reason.partition(" is not read: ")[0]: one.reason for one in report.skipped}
    assert len(reasons) == 6
    assert "download it as .xlsx" in reasons["'A sheet'"]
    assert "'hologram'" in reasons["'A hologram'"]
    assert report.failed == ()


def test_blocks_that_cannot_be_had_give_way_to_plain_text(
    platform: Platform, store: FaissStore, library: Library, wiki: Space, caplog: pytest.LogCaptureFixture
) -> None:
    wiki.page("Odd", [heading(1, "Part"), text("# said so")])
    platform.fail(BLOCKS, with_=Trouble.error(1770005, "too many blocks"))

    run(store, library, wiki, platform)

    assert texts(store) == "# Odd\n\nPart\n\\# said so"
    assert "is read as plain text" in caplog.text


def test_a_page_that_the_app_may_not_read_is_not_asked_for_twice(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    wiki.page("Closed", [text("x")])
    platform.fail(BLOCKS, with_=Trouble.error(1770032, "forbidden", http=403))

    (failed,) = run(store, library, wiki, platform).failed

    assert "share it" in failed.reason
    assert fetched(platform, "/raw_content") == 0


def test_the_secret_being_wrong_is_said_at_once(platform: Platform, store: FaissStore, wiki: Space) -> None:
    wrong = type(platform.credentials)(platform.app_id, "wrong", platform.url)
    with open_library(wrong, patience=QUICK) as library:
        reports = [run(store, library, wiki, platform) for _ in range(2)]

    assert ["LARKWISE_FEISHU_APP_SECRET" in one.reason for report in reports for one in report.failed] == [True, True]
    assert platform.token_calls == 1


def test_a_platform_that_does_not_answer_is_given_up_after_some_documents(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    for number in range(9):
        wiki.page(f"Page {number}", [text("x")])
    platform.fail(BLOCKS, times=99, with_=Trouble.http(502))

    report = run(store, library, wiki, platform)

    assert len(report.failed) == 9
    assert fetched(platform) == 3 * QUICK.tries


def test_a_folder_and_the_folders_in_it_go_in_by_the_addresses_that_feishu_gives(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    folder = platform.folder()
    inner = folder.folder("Inner")
    page, notes = folder.page("Plan", [text("The plan.")]), inner.file("notes.md", b"# Notes\n\nSome.\n")
    for number in range(210):
        inner.other("slides", f"Deck {number}")

    report = run(store, library, folder, platform)

    assert sorted(report.added) == sorted(
        [f"https://example.feishu.cn/docx/{page.token}", f"https://example.feishu.cn/file/{notes.token}"]
    )
    assert len(report.skipped) == 210
    assert len(run(store, library, folder, platform).unchanged) == 2
    assert (fetched(platform), fetched(platform, "/download")) == (1, 1)


def test_a_shortcut_in_a_folder_is_fetched_each_time_for_its_own_time_says_nothing(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    folder, elsewhere = platform.folder(), platform.folder()
    page = elsewhere.page("Plan", [text("The plan.")])
    folder.shortcut(page)
    folder.shortcut(elsewhere)

    assert run(store, library, folder, platform).added == (f"{SITE}/docx/{page.token}",)
    platform.documents.edit(thing(page.thing), blocks=[text("Another plan.")])
    assert run(store, library, folder, platform).changed == (f"{SITE}/docx/{page.token}",)


def thing(found: Thing | None) -> Thing:
    assert found is not None
    return found


def test_one_folder_says_nothing_of_what_is_in_another_or_in_a_file(
    platform: Platform, store: FaissStore, library: Library, tmp_path: Path
) -> None:
    one, other = platform.folder(), platform.folder()
    one.file("a.md", b"# A\n\nThe same.\n")
    page = other.page("B", [text("b")])
    (tmp_path / "a.md").write_bytes(b"# A\n\nThe same.\n")
    ingest(
        store,
        list_files([tmp_path / "a.md"]).listing(),
        IngestOptions(),
        EmbedHere(store.embeddings),
        progress=lambda *_: None,
    )
    run(store, library, one, platform)
    run(store, library, other, platform)
    one.entries.clear()

    run(store, library, one, platform)

    sources = {source.key for document in store.documents() for source in document.sources}
    assert sources == {str(tmp_path / "a.md"), f"https://example.feishu.cn/docx/{page.token}"}


def test_the_same_file_in_two_folders_is_fetched_once_in_each_and_stays_while_one_has_it(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    one, other = platform.folder(), platform.folder()
    policy = b"The travel budget is 500 euro a day."
    stays, goes = one.file("policy.txt", policy), other.file("policy.txt", policy)

    reports = [run(store, library, folder, platform) for folder in (one, other, one, other)]
    other.remove(goes)
    last = run(store, library, other, platform)

    assert [(report.removed, report.missing) for report in reports] == [((), ())] * 4
    assert fetched(platform, "/download") == 2
    assert last.removed == (f"https://example.feishu.cn/file/{goes.token}",)
    assert [page_of(document) for document in store.documents()] == [f"https://example.feishu.cn/file/{stays.token}"]


@pytest.mark.parametrize("prune", [True, False])
def test_a_page_stays_in_its_wiki_when_a_shortcut_to_it_in_another_is_gone(
    platform: Platform, store: FaissStore, library: Library, wiki: Space, prune: bool
) -> None:
    other = platform.wiki()
    page = wiki.page("Leave", [text("98 days of leave.")])
    shortcut = other.shortcut(page)
    for space in (wiki, other):
        run(store, library, space, platform)
    other.remove(shortcut)

    report = run(store, library, other, platform, prune=prune)

    assert (report.removed, report.missing) == ((), ())
    assert "98 days" in texts(store)
    wiki.remove(page)
    assert run(store, library, wiki, platform).removed == (f"{SITE}/wiki/{page.token}",)
    assert fetched(platform) == 1


def test_a_page_that_is_gone_from_a_folder_within_leaves_with_the_folder_above(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    parent = platform.folder()
    child = parent.folder("Child")
    old = child.page("Old", [text("Old rule.")])
    child.page("New", [text("New rule.")])
    for folder in (parent, child):
        run(store, library, folder, platform)
    child.remove(old)

    assert run(store, library, parent, platform).removed == (f"https://example.feishu.cn/docx/{old.token}",)

    assert ("Old rule." in texts(store), "New rule." in texts(store)) == (False, True)
    assert fetched(platform) == 2


def test_a_page_that_has_gone_up_from_a_folder_stays_in_the_folder_above(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    parent = platform.folder()
    child = parent.folder("Child")
    page = child.page("Rule", [text("The rule.")])
    for folder in (parent, child):
        run(store, library, folder, platform)
    child.remove(page)
    parent.add(thing(page.thing))

    reports = [run(store, library, folder, platform) for folder in (child, parent)]

    assert [report.removed for report in reports] == [(), ()]
    assert "The rule." in texts(store)
    assert fetched(platform) == 1


def test_a_document_that_is_also_a_file_is_linked_no_more_when_feishu_has_it_no_more(
    platform: Platform, store: FaissStore, library: Library, tmp_path: Path
) -> None:
    folder = platform.folder()
    twin = folder.file("a.md", b"# A\n\nThe same.\n")
    (tmp_path / "a.md").write_bytes(b"# A\n\nThe same.\n")
    run(store, library, folder, platform)
    ingest(
        store,
        list_files([tmp_path / "a.md"]).listing(),
        IngestOptions(),
        EmbedHere(store.embeddings),
        progress=lambda *_: None,
    )
    folder.remove(twin)

    assert run(store, library, folder, platform).removed == (f"https://example.feishu.cn/file/{twin.token}",)

    assert [(document.source, page_of(document)) for document in store.documents()] == [("a.md", "")]


def forget_shelves(store: FaissStore) -> None:
    """As in a collection that was made before sources had any."""
    with store.catalogue.connection() as db:
        db.execute("ALTER TABLE sources DROP COLUMN shelves")
        db.commit()


def test_in_a_collection_from_before_there_were_shelves_the_label_says_what_is_gone(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    stays, goes = wiki.page("Stays", [text("a")]), wiki.page("Goes", [text("b")])
    run(store, library, wiki, platform)
    forget_shelves(store)
    wiki.remove(goes)

    assert run(store, library, wiki, platform).removed == (f"{SITE}/wiki/{goes.token}",)

    ((source,),) = (document.sources for document in store.documents())
    assert (source.key, source.shelves) == (f"{SITE}/wiki/{stays.token}", (f"wiki/{wiki.space_id}",))


def test_in_a_collection_from_before_there_were_shelves_one_folder_removes_nothing_of_another(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    one, other = platform.folder(), platform.folder()
    for folder in (one, other):
        folder.file("policy.txt", b"The travel budget is 500 euro a day.")
        run(store, library, folder, platform)
    forget_shelves(store)

    reports = [run(store, library, folder, platform) for folder in (one, other)]

    assert [(report.removed, len(report.unchanged)) for report in reports] == [((), 1)] * 2
    assert fetched(platform, "/download") == 2


def test_a_folder_that_the_app_may_not_read_removes_nothing(
    platform: Platform, store: FaissStore, library: Library
) -> None:
    folder = platform.folder()
    inner = folder.folder("Inner")
    inner.page("A", [text("a")])
    run(store, library, folder, platform)
    inner.member = False

    report = run(store, library, folder, platform)

    assert (report.removed, len(store.documents())) == ((), 1)
    assert "share it with the app" in report.failed[0].reason


def test_an_answer_that_is_not_as_documented_is_a_partial_listing(
    platform: Platform, store: FaissStore, library: Library, wiki: Space
) -> None:
    page = wiki.page("A", [text("a")])
    run(store, library, wiki, platform)
    page.thing.edited_s = cast(int, "soon")

    report = run(store, library, wiki, platform)

    assert (report.removed, len(store.documents())) == ((), 1)
    assert "not as it is documented" in report.failed[0].reason


def test_links_lead_to_where_the_app_was_made() -> None:
    assert site_of("https://open.feishu.cn") == "https://feishu.cn"
    assert site_of("https://open.larksuite.com") == "https://larksuite.com"


@pytest.fixture
def command(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in a folder and with a data folder of its own, within this process."""
    monkeypatch.chdir(tmp_path)
    environment = {
        "LARKWISE_DATA_DIR": str(tmp_path / "var"),
        "LARKWISE_CACHE_DIR": str(settings.cache_dir),
        "LARKWISE_OFFLINE": "true",
    }

    def invoke(*arguments: str, platform: Platform | None = None) -> Result:
        feishu = {
            "LARKWISE_FEISHU_APP_ID": platform.app_id,
            "LARKWISE_FEISHU_APP_SECRET": platform.app_secret,
            "LARKWISE_FEISHU_DOMAIN": platform.url,
        } if platform else {}  # fmt: skip
        return CliRunner().invoke(cli, arguments, env=environment | feishu)

    return invoke


def told(result: Result) -> Any:
    """The object on stdout."""
    return json.loads(result.stdout)


def test_a_wiki_is_ingested_searched_and_ingested_again_on_the_command_line(
    platform: Platform, wiki: Space, command: Callable[..., Result]
) -> None:
    leave = wiki.page("Leave", [heading(1, "Parents"), text("Parental leave is 98 days.")])
    folder = platform.folder()
    folder.page("Travel", [text("Trains are booked second class.")])
    for document in list(platform.documents.things.values()):
        document.edited_s -= HOUR_S
    closed = wiki.page("Closed", [text("x")])
    platform.fail(f"{closed.thing.token}/blocks", times=9, with_=Trouble.error(1770032, "forbidden", http=403))
    settings_page = f"https://example.feishu.cn/wiki/settings/{wiki.space_id}?from=x"
    again = ["ingest", "feishu", "--space", settings_page, "--folder", folder.token, "--json"]

    first = command(*again, platform=platform)
    found = told(command("search", "parental leave", "--json"))["results"][0]
    second = command(*again, platform=platform)

    assert (first.exit_code, len(told(first)["added"])) == (1, 2)
    assert "'Closed' cannot be fetched" in told(first)["failed"][0]["reason"]
    assert "share it, or its folder, with the app" in first.stderr
    assert first.stderr.count("ingesting into") == 2
    assert found["metadata"]["source"] == f"{SITE}/wiki/{leave.token}"
    assert found["metadata"]["feishu"] == f"wiki/{wiki.space_id}"
    assert len(told(second)["unchanged"]) == 2
    assert fetched(platform, f"{leave.thing.token}/blocks") == 1


def test_a_folder_that_is_called_feishu_is_one(command: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "feishu").mkdir()
    (tmp_path / "feishu" / "a.md").write_text("# A\n\nText.\n")

    assert told(command("ingest", "feishu", "--json"))["added"] == ["a.md"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("feishu",), "say what of Feishu"),
        (("notes", "--space", "777"), "larkwise ingest feishu --space"),
        (("feishu", "--space", "https://x.feishu.cn/wiki/wikcnA"), "is no wiki space"),
        (("feishu", "--folder", "../.."), "is no token"),
        (("feishu", "--space", "777", "--watch"), "only files and folders"),
    ],
)
def test_what_cannot_be_done_is_said(command: Callable[..., Result], arguments: tuple[str, ...], words: str) -> None:
    done = command("ingest", *arguments)

    assert done.exit_code == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_documents_need_an_app(command: Callable[..., Result]) -> None:
    done = command("ingest", "feishu", "--space", "777")

    assert isinstance(done.exception, SettingsError)
    assert "LARKWISE_FEISHU_APP_ID" in str(done.exception)
