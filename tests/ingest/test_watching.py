from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from ingest.errors import CollectionBusy, IngestError
from ingest.watching import follow


def test_a_folder_is_followed_through_additions_changes_and_errors(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    errors: list[IngestError] = []
    stop, came = threading.Event(), threading.Condition()

    def is_seen(name: str) -> bool:
        return Path(name).name in seen[-1]

    def ingest_all() -> None:
        with came:
            seen.append(sorted(path.name for path in tmp_path.rglob("*.md")))
            came.notify_all()
        if len(seen) == 2:
            raise CollectionBusy("on purpose")

    thread = threading.Thread(
        target=follow, args=([tmp_path], ingest_all), kwargs={"stop": stop, "failed": errors.append}
    )
    thread.start()
    try:
        with came:
            assert came.wait_for(lambda: len(seen) == 1, timeout=60)
        for name in ("a.md", "sub/b.md", "c.md"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("text")
            with came:
                assert came.wait_for(partial(is_seen, name), timeout=60)
        (tmp_path / "a.md").unlink()
        with came:
            assert came.wait_for(lambda: "a.md" not in seen[-1], timeout=60)
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert [str(error) for error in errors] == ["on purpose"]


def test_a_file_that_is_named_itself_is_followed_when_an_editor_replaces_it(tmp_path: Path) -> None:
    file, came, stop = tmp_path / "a.md", threading.Condition(), threading.Event()
    file.write_text("first")
    seen: list[str] = []

    def ingest_all() -> None:
        with came:
            seen.append(file.read_text())
            came.notify_all()

    thread = threading.Thread(target=follow, args=([file], ingest_all), kwargs={"stop": stop, "failed": print})
    thread.start()
    try:
        with came:
            assert came.wait_for(lambda: seen == ["first"], timeout=60)
        (tmp_path / "a.md.new").write_text("second")
        (tmp_path / "a.md.new").replace(file)
        with came:
            assert came.wait_for(lambda: seen[-1] == "second", timeout=60)
    finally:
        stop.set()
        thread.join(30)
