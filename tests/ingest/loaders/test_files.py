"""Which files of a folder are taken, and what is said of the others."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.errors import DocumentTooLarge, PathNotFound, UnreadableDocument
from ingest.files import FileList, SourceFile, list_files
from ingest.loaders import ocr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "a.md").write_text("# A")
    (tmp_path / "docs" / "sub" / "b.txt").write_text("b")
    (tmp_path / "outside.md").write_text("# Secret")
    return tmp_path / "docs"


def sources(listed: FileList) -> list[str]:
    return [file.source for file in listed.files]


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root may read everything, so that a test as root steps down."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """pytest's own folders are closed to everybody else."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_links_in_a_circle_and_to_nowhere_are_told_and_the_rest_goes_in(folder: Path) -> None:
    (folder / "x.md").symlink_to(folder / "y.md")
    (folder / "y.md").symlink_to(folder / "x.md")
    (folder / "z.md").symlink_to(folder / "gone.md")
    listed = list_files([folder])
    assert sources(listed) == ["a.md", "sub/b.txt"]
    assert [refused.path for refused in listed.failed] == ["x.md", "y.md", "z.md"]
    assert "circle" in listed.failed[0].reason or "symbolic links" in listed.failed[0].reason
    assert "leads nowhere" in listed.failed[2].reason


def test_a_folder_that_links_to_itself_is_read_once(folder: Path) -> None:
    (folder / "sub" / "again").symlink_to(folder, target_is_directory=True)
    listed = list_files([folder])
    assert sources(listed) == ["a.md", "sub/b.txt"]
    assert [refused.path for refused in listed.skipped] == ["sub/again"]


@pytest.mark.parametrize("target", ["outside.md", "."])
def test_links_out_of_the_folder_are_not_followed(folder: Path, target: str) -> None:
    (folder / "link.md").symlink_to(folder.parent / target)
    listed = list_files([folder])
    assert sources(listed) == ["a.md", "sub/b.txt"]
    (refused,) = listed.failed
    assert refused.path == "link.md"
    assert "a link out of the folder" in refused.reason


def test_a_link_within_the_folder_is_the_same_file(folder: Path) -> None:
    (folder / "z.md").symlink_to(folder / "a.md")
    assert sources(list_files([folder])) == ["a.md", "sub/b.txt"]


def test_a_link_that_is_named_itself_is_followed(folder: Path) -> None:
    (folder / "link.md").symlink_to(folder.parent / "outside.md")
    (file,) = list_files([folder / "link.md"]).files
    assert (file.source, file.read()) == ("link.md", b"# Secret")


def test_a_pipe_is_told_and_never_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    assert "no regular file" in list_files([folder]).failed[0].reason
    with pytest.raises(UnreadableDocument, match="no regular file"):
        SourceFile(folder / "pipe.md", "pipe.md").read()


def test_what_may_not_be_read_is_told_and_the_rest_goes_in(open_folder: Path) -> None:
    (open_folder / "a.md").write_text("# A")
    (open_folder / "b.md").write_text("# B")
    (open_folder / "closed").mkdir()
    (open_folder / "b.md").chmod(0)
    (open_folder / "closed").chmod(0)
    with somebody_else():
        listed = list_files([open_folder])
        with pytest.raises(UnreadableDocument, match=r"b\.md cannot be read \(Permission denied\)"):
            listed.files[1].read()
        with pytest.raises(PathNotFound, match="cannot be read"):
            list_files([open_folder / "closed" / "x.md"])
    assert sources(listed) == ["a.md", "b.md"]
    assert [refused.path for refused in listed.failed] == ["closed"]
    assert "cannot be opened (Permission denied)" in listed.failed[0].reason


def test_a_file_of_two_gigabytes_is_refused_before_it_is_read(folder: Path) -> None:
    with (folder / "big.txt").open("wb") as file:
        file.truncate(2 * 1024**3)  # takes no room on the disk
    with pytest.raises(DocumentTooLarge, match=r"big\.txt has 2,048 MiB, and at most 200 MiB are read"):
        SourceFile(folder / "big.txt", "big.txt").read()


@pytest.mark.parametrize("name", [b"a\nb.md", b"a\x1b[2J.md", "政策.md".encode("gbk")])
def test_a_name_that_no_report_can_hold_is_told(folder: Path, name: bytes) -> None:
    path = folder / os.fsdecode(name)
    path.write_text("x")
    for listed in (list_files([folder]), list_files([path, folder / "a.md"])):
        assert "a.md" in sources(listed)
        (refused,) = listed.failed
        assert refused.path.isprintable()
        assert "is not read: " in refused.reason


def test_the_limit_is_an_argument(folder: Path) -> None:
    with pytest.raises(DocumentTooLarge):
        SourceFile(folder / "a.md", "a.md").read(max_bytes=2)


def test_pictures_are_left_out_where_nothing_can_read_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "logo.png").write_bytes(b"\x89PNG")
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    listed = list_files([folder])
    assert sources(listed) == ["a.md", "sub/b.txt"]
    assert "pip install 'larkwise[ocr]'" in listed.skipped[0].reason
