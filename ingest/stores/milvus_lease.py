"""
One writer at a time, among machines that share nothing but the server.

Whoever wants to write puts a row beside the manifest and then reads all such rows: of two who do so at once, at least
one sees the other (Milvus' consistency "Strong" is what makes it so) and withdraws. The row says until when it holds;
one whose holder was killed is void when that time has come, and at once where the holder was a process of this
machine.

What this rests on: the machines' clocks agree to within half of `LEASE_S`, and no process is suspended for longer than
that between looking at its lease and the answer to its next request.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ingest.errors import CollectionBusy
from ingest.stores.milvus_connection import MilvusConnection
from ingest.stores.milvus_filters import among
from ingest.stores.milvus_rows import record_row

LEASE_S = 60.0
_held: set[str] = set()
"""The tokens of this process."""


class Lease:
    """
    The right to write to the collection whose records are called `records`; for one thread.

    `acquire`, `renew` and `release` raise:
        CollectionBusy: another writes, or has taken over because this one was too slow.
    """

    def __init__(self, connection: MilvusConnection, records: str, *, name: str, wait_s: float) -> None:
        self._connection = connection
        self._records = records
        self._name = name
        self._wait_s = wait_s
        self._token = uuid.uuid4().hex
        self._until = 0.0

    def acquire(self) -> None:
        give_up = time.monotonic() + self._wait_s
        while True:
            _held.add(self._token)
            self._put()
            if self._is_alone():
                return
            self.release()
            while not self._is_alone():
                if time.monotonic() >= give_up:
                    raise CollectionBusy(
                        f"another process is writing to the collection {self._name!r}: try again when it is done; "
                        f"what a killed one has left holds for {LEASE_S:.0f} s"
                    )
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - so that two do not step aside in step

    def renew(self) -> bool:
        """Hold on for another while; False where it had run out, and was taken again before anybody else did."""
        left = self._until - time.time()
        if left > LEASE_S / 2:
            return True
        if left > 0:
            self._put()
            return True
        self.acquire()
        return False

    def check(self) -> None:
        """As `renew`, in the middle of a change, where running out cannot be made good."""
        if time.time() >= self._until:
            raise self.lost()
        self.renew()

    def lost(self) -> CollectionBusy:
        return CollectionBusy(
            f"writing to the collection {self._name!r} took longer than its turn of {LEASE_S:.0f} s: ingest again"
        )

    def is_gone(self) -> None:
        """The collection was dropped, and the row with it."""
        _held.discard(self._token)

    def release(self) -> None:
        _held.discard(self._token)
        self._connection.delete(self._records, among("id", [self._row_id]))

    @property
    def _row_id(self) -> str:
        return f"lease:{self._token}"

    def _put(self) -> None:
        self._until = time.time() + LEASE_S
        facts = {"token": self._token, "until": self._until, "processes": _processes(), "process": os.getpid()}
        self._connection.upsert(self._records, [record_row(self._row_id, "lease", facts)])

    def _is_alone(self) -> bool:
        others = [
            row["facts"]
            for row in self._connection.rows(self._records, 'kind == "lease"', ["facts"])
            if row["facts"]["token"] != self._token
        ]
        void = [facts["token"] for facts in others if _is_void(facts)]
        if void:
            self._connection.delete(self._records, among("id", [f"lease:{token}" for token in void]))
        return len(void) == len(others)


def _is_void(facts: Mapping[str, Any]) -> bool:
    if facts["until"] < time.time():
        return True
    if facts["processes"] != _processes():
        return False
    return facts["token"] not in _held if facts["process"] == os.getpid() else not _runs(facts["process"])


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True


@cache
def _processes() -> str:
    """What tells the processes apart that this one can see: of one boot of one machine, in one container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path
    except OSError:
        return uuid.uuid4().hex  # not to be told: nobody's but this process'
