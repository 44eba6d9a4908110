"""docs/settings.md and .env.example, made from the settings themselves: `python -m app.settings_docs` writes both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.settings import PROFILES, Settings, variable

_HEAD = """# Settings

Environment variables, or lines in a file `.env` in the working directory; the environment wins. An unknown variable
with the prefix `LARKWISE_`, or a bad value, stops the start with a sentence that names it.

This page is made by `make docs`; a test fails when it is not up to date.

| variable | default | what |
|---|---|---|
"""


def settings_page() -> str:
    """The text of docs/settings.md."""
    rows = "".join(
        f"| `{variable(name)}` | {_shown(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    profiles = "".join(f"- `{name}`: {_assignments(values) or 'the defaults'}\n" for name, values in PROFILES.items())
    return f"{_HEAD}{rows}\n## Profiles\n\nWhat `LARKWISE_PROFILE` puts in the place of the defaults:\n\n{profiles}"


def env_example() -> str:
    """The text of .env.example: every variable with its default, commented out."""
    lines = ["# Copy to .env and take the # away where you want another value; docs/settings.md says more.\n"]
    for name, field in Settings.model_fields.items():
        lines.append(f"\n# {field.description}\n# {variable(name)}={_plain(field.default)}\n")
    return "".join(lines)


def write(root: Path) -> None:
    (root / "docs" / "settings.md").write_text(settings_page(), encoding="utf-8")
    (root / ".env.example").write_text(env_example(), encoding="utf-8")


def _assignments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"`{variable(field)}={value}`" for field, value in values.items())


def _shown(value: Any) -> str:
    plain = _plain(value)
    return f"`{plain}`" if plain else ""


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    write(Path(__file__).parent.parent)
