"""Ways to damage a sample: outside, and within the parts that it packs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from hypothesis import strategies as st

SAMPLES = Path(__file__).parent.parent / "samples"
PACKED = (".docx", ".pptx", ".xlsx", ".epub", ".zip")


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def sample_names() -> list[str]:
    return sorted(path.name for path in SAMPLES.iterdir() if path.is_file() and path.name != "make_samples.py")


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut off, or with a few bytes changed, taken out, or put in twice."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(out) - 1, 0)))
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(["cut", "flip", "replace", "remove", "repeat"])):
            case "cut":
                del out[at:]
            case "flip":
                out[at : at + 1] = bytes([out[at] ^ draw(st.integers(1, 255))]) if out else b""
            case "replace":
                out[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "remove":
                del out[at : at + length]
            case _:
                out[at:at] = out[at : at + length]
    return bytes(out)


@st.composite
def damaged_inside(draw: st.DrawFn, data: bytes) -> bytes:
    """A sound archive, one member of which is damaged: a byte changed outside is mostly a wrong checksum only."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    texts = sorted(name for name in members if name.endswith((".xml", ".rels", ".xhtml", ".opf", ".docx", ".txt")))
    chosen = draw(st.sampled_from(texts))
    members[chosen] = draw(damaged(members[chosen]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()
