"""From a YAML file to a `Config`, with a sentence for everything that cannot be."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from app.settings import Settings
from bench.errors import InvalidConfig, InvalidDataset
from bench.report.config import Config

_OURS = frozenset({"DATA_DIR", "HOST", "PORT", "LLM_PROVIDER", "LLM_MODEL", "LLM_QUANTIZATION", "LLM_THREADS"})
"""Settings that the bench itself chooses: what is measured is to be what the report says."""
_SETTINGS = frozenset(name.upper() for name in Settings.model_fields)
SHIPPED = Path(__file__).parent.parent / "configs"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration as it was written, and as it is meant."""

    name: str
    text: str
    config: Config


def read_config(path: Path) -> ConfigFile:
    """
    `path` is a file, or the name of one that larkwise comes with (int8, rag, concurrency, smoke).

    Paths in it are taken from where the file is.

    Raises:
        InvalidConfig: it cannot be read, or says what cannot be.
        InvalidDataset: it names a file or folder that is not there.
    """
    file = _found(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidConfig(f"{file} cannot be read: {error}") from error
    config = config_of(_mapping(text, str(file)), str(file), folder=file.parent)
    return ConfigFile(file.stem, text, config)


def config_of(values: dict[str, Any], where: str, *, folder: Path = Path()) -> Config:
    """
    Raises:
        InvalidConfig, InvalidDataset: as `read_config`; the messages begin with `where`.
    """
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise InvalidConfig(f"{where}: {'; '.join(_sentences(error))}") from error
    for number, variant in enumerate(config.variants):
        for name in variant.settings:
            _refuse_setting(name, f"{where}: variants.{number}.settings")
    return _with_paths(config, folder, where)


def changed(config: Config, *, repeats: int | None, requests: int | None) -> Config:
    """
    With another number of repeats, or of requests of every load, where one is given.

    Raises:
        InvalidConfig: a load has more clients than requests then.
    """
    values = config.model_dump()
    if repeats is not None:
        values["repeats"] = repeats
    for scenario in values["scenarios"] if requests is not None else ():
        scenario["requests"] = requests
    return config_of(values, "--repeats and --requests")


def _found(path: Path) -> Path:
    if path.exists():
        return path
    shipped = SHIPPED / path.with_suffix(".yaml").name
    if path.parent == Path() and shipped.exists():
        return shipped
    names = ", ".join(sorted(one.stem for one in SHIPPED.glob("*.yaml")))
    raise InvalidConfig(f"there is no configuration {path}: give a YAML file, or one of {names}")


class _Loader(yaml.SafeLoader):
    """A key that stands twice would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidConfig(f"{where}{line}: {error.problem}") from error
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:  # a list as a key, no date, too deep
        raise InvalidConfig(f"{where} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise InvalidConfig(f"{where} should have keys like `variants` and `scenarios`, and holds something else")
    return values


def _sentences(error: ValidationError) -> Iterator[str]:
    problems = error.errors()
    for problem in problems:
        if problem["type"] == "too_short" and any(_is_within(other["loc"], problem["loc"]) for other in problems):
            continue  # one that cannot be used was there
        *above, last = problem["loc"] or ("",)
        place = ".".join(map(str, problem["loc"]))
        match problem["type"]:
            case "extra_forbidden":
                inside = f" in {'.'.join(map(str, above))}" if above else ""
                yield f"unknown key {last!r}{inside}, {_meant(above, last)}"
            case "missing":
                yield f"{place} is missing"
            case "value_error":
                yield f"{place + ': ' if place else ''}{problem['ctx']['error']}"
            case _:
                yield f"{place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}, not {problem['input']!r:.60}"


def _is_within(place: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(place) > len(above) and place[: len(above)] == above


def _meant(above: list[int | str], key: int | str) -> str:
    known = sorted(_keys_at(above))
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _keys_at(place: list[int | str]) -> set[str]:
    """The keys that may stand at a place of a configuration."""
    at: type[BaseModel] = Config
    for key in place:
        if isinstance(key, str):
            annotation = at.model_fields[key].annotation
            parts = [annotation, *get_args(annotation)]
            at = next(part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))
    return set(at.model_fields)


def _refuse_setting(name: str, where: str) -> None:
    """
    Not in `Config`: results.json holds those of other versions of larkwise, whose settings were others.

    Raises:
        InvalidConfig: a variant cannot have it.
    """
    if name in _OURS:
        raise InvalidConfig(f"{where}: {name} follows from the configuration's other keys, and cannot be set here")
    if name not in _SETTINGS:
        near = difflib.get_close_matches(name.upper(), sorted(_SETTINGS - _OURS), n=1)
        meant = f"did you mean {near[0]}?" if near else "docs/settings.md has them, each with LARKWISE_ before it"
        raise InvalidConfig(f"{where}: larkwise has no setting {name}, {meant}")


def _with_paths(config: Config, folder: Path, where: str) -> Config:
    """The same with paths that stand by themselves; what is not there is told before anything is started."""
    prompts = config.prompts
    if prompts.file:
        prompts = prompts.model_copy(update={"file": _existing(folder / prompts.file, f"{where}: prompts.file")})
    choices = tuple(
        one.model_copy(update={"folder": _existing(folder / one.folder, f"{where}: accuracy.choices.{number}.folder")})
        if one.folder
        else one
        for number, one in enumerate(config.accuracy.choices)
    )
    accuracy = config.accuracy.model_copy(update={"choices": choices})
    variants = tuple(
        one.model_copy(
            update={
                key: _existing(folder / path.expanduser(), f"{where}: variants.{number}.{key}")
                for key, path in (("binary", one.binary), ("gguf", one.gguf))
                if path
            }
        )
        for number, one in enumerate(config.variants)
    )
    return config.model_copy(update={"prompts": prompts, "accuracy": accuracy, "variants": variants})


def _existing(path: Path, what: str) -> Path:
    if not path.exists():
        raise InvalidDataset(f"{what}: {path} does not exist")
    return path.resolve()
