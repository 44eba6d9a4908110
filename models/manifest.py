"""The models that are known by name: their files, hashes, licences and sources."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator

from models.errors import UnknownModel
from models.sources import Folder, Hub, ModelScope, Package, Wheel, WheelParts

ModelKind = Literal["llm", "embedding"]
Source = Annotated[
    Wheel | WheelParts | Package | Hub | ModelScope | Folder,
    Field(discriminator="kind"),
]
_OWN = Path(__file__).with_name("manifest.toml")


class WeightFile(BaseModel):
    """One file; `size` in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _stays_below(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{path} leaves the model's folder")
        return path


class ModelEntry(BaseModel):
    """A model that is known by name; its sources are asked in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: ModelKind
    licence: str
    languages: str
    summary: str
    files: tuple[WeightFile, ...] = ()
    sources: tuple[Source, ...]

    @property
    def is_free(self) -> bool:
        """Whether it may be used for anything."""
        return "research" not in self.licence

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Manifest(BaseModel):
    """All models that are known by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[ModelEntry, ...]

    def find(self, name: str) -> ModelEntry | None:
        return next((model for model in self.models if model.name == name), None)

    def entry(self, name: str) -> ModelEntry:
        """
        Raises:
            UnknownModel: there is none of this name.
        """
        if found := self.find(name):
            return found
        known = ", ".join(model.name for model in self.models)
        raise UnknownModel(
            f"there is no model {name!r}: known are {known}; a hub name (ORGANIZATION/NAME) or a folder works as well"
        )


def load_manifest(path: Path = _OWN) -> Manifest:
    """The manifest that larkwise comes with, or another one of the same form."""
    return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
