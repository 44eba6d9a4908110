"""API keys: who may ask. The database holds their hashes only."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from app.database import ApiKeyRow, Database

PREFIX = "lw_"
FRESH_S = 5.0
"""Seconds for which a key that was found is believed: a revocation takes effect within them."""
_NAME = re.compile(r"(?!\d+\Z)[^\x00-\x1f]{1,64}")
_USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: not every request should write to the database."""


class KeyProblem(Exception):
    """A key cannot be made or revoked."""


class KeysMissing(Exception):
    """Keys are required and there is none, so nobody could ask."""


class Unauthorized(Exception):
    """There is no key in the request, or none that is valid."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; the key itself is shown once, when it is made."""

    id: int
    name: str
    rate_limit: str | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def caller(self) -> str:
        """The name under which its holder's conversations are kept."""
        return f"key-{self.id}"


class Keys:
    """The keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, ApiKey]] = {}

    async def create(self, name: str, *, rate_limit: str | None = None) -> tuple[str, ApiKey]:
        """
        A new key and what is known of it; the key cannot be had again.

        Raises:
            KeyProblem: a valid key has this name, or it is none.
        """
        if not _NAME.fullmatch(name):
            raise KeyProblem(f"{name!r} cannot name a key: 1 to 64 characters, and not a number")
        key = PREFIX + secrets.token_urlsafe(32)
        async with self._database.session.begin() as session:
            taken = await session.scalar(
                select(ApiKeyRow).where(ApiKeyRow.name == name, ApiKeyRow.revoked_at.is_(None))
            )
            if taken is not None:
                raise KeyProblem(f"there is a key {name!r} already: revoke it, or take another name")
            row = ApiKeyRow(name=name, key_hash=fingerprint(key), rate_limit=rate_limit)
            session.add(row)
            await session.flush()
            return key, _known(row)

    async def list(self) -> list[ApiKey]:
        """Every key, the oldest first; the revoked ones too."""
        async with self._database.session() as session:
            return [_known(row) for row in await session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id))]

    async def any_valid(self) -> bool:
        return any(key.revoked_at is None for key in await self.list())

    async def revoke(self, id_or_name: str) -> ApiKey:
        """
        Raises:
            KeyProblem: there is no valid key of this id or name.
        """
        mine = ApiKeyRow.id == int(id_or_name) if id_or_name.isdecimal() else ApiKeyRow.name == id_or_name
        async with self._database.session.begin() as session:
            row = await session.scalar(select(ApiKeyRow).where(mine, ApiKeyRow.revoked_at.is_(None)))
            if row is None:
                raise KeyProblem(f"there is no valid key {id_or_name!r}: `larkwise keys list` shows them all")
            row.revoked_at = datetime.now(UTC)
            return _known(row)

    async def find(self, key: str) -> ApiKey:
        """
        Raises:
            Unauthorized: it is not valid, or not any more.
        """
        # the key has 256 random bits and is looked up by its hash: nothing is learnt from how long that takes
        wanted = fingerprint(key)
        until, known = self._known.get(wanted, (0.0, None))
        if known is None or time.monotonic() > until:
            known = await self._fetch(wanted)
            self._known[wanted] = (time.monotonic() + FRESH_S, known)
        return known

    async def _fetch(self, wanted: str) -> ApiKey:
        async with self._database.session() as session:
            row = await session.scalar(
                select(ApiKeyRow).where(ApiKeyRow.key_hash == wanted, ApiKeyRow.revoked_at.is_(None))
            )
        if row is None:
            self._known.pop(wanted, None)
            raise Unauthorized("this API key is not valid: `larkwise keys create NAME` makes one")
        known = _known(row)
        if known.last_used_at is None or datetime.now(UTC) - known.last_used_at > _USED_EVERY:
            await self._used(known)
        return known

    async def _used(self, key: ApiKey) -> None:
        async with self._database.session.begin() as session:
            await session.execute(
                update(ApiKeyRow).where(ApiKeyRow.id == key.id).values(last_used_at=datetime.now(UTC))
            )


def fingerprint(key: str) -> str:
    """What the database keeps of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _known(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        rate_limit=row.rate_limit,
        created_at=_utc(row.created_at),
        revoked_at=_utc(row.revoked_at) if row.revoked_at else None,
        last_used_at=_utc(row.last_used_at) if row.last_used_at else None,
    )


def _utc(moment: datetime) -> datetime:
    """SQLite forgets the zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
