"""How a collection of chunks in Milvus is searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.stores.milvus_connection import Consistency, MilvusConnection, Row
from ingest.stores.milvus_filters import EVERYTHING, among, expression
from ingest.stores.milvus_rows import SHOWN, chunk_of
from ingest.stores.port import Filter

MOST = 16_384
"""As many rows as Milvus gives to one search."""
_IDS_A_SEARCH = 10_000


@dataclass(frozen=True, slots=True)
class Searcher:
    """`nprobe` of the `nlist` lists of each segment are compared, `filtered_nprobe` where there is a filter."""

    connection: MilvusConnection
    chunks: str
    nlist: int
    nprobe: int
    filtered_nprobe: int
    consistency: Consistency

    def nearest(
        self, query: Sequence[float], k: int, wanted: Filter | None, fields: Sequence[str]
    ) -> list[tuple[Row, float]]:
        """The best rows and their scores, best first."""
        found = [hit for where in self._expressions(wanted) for hit in self._search(query, min(k, MOST), where, fields)]
        return sorted(found, key=lambda hit: -hit[1])[:k]

    def rows(self, where: str, fields: Sequence[str], *, page: int = 1_000) -> Iterator[Row]:
        return self.connection.rows(self.chunks, where, fields, page=page, consistency=self.consistency)

    def _expressions(self, wanted: Filter | None) -> Iterable[str]:
        """What to search within, in parts where it is too much to say at once."""
        if wanted is None:
            return [""]
        if not callable(wanted):
            return [expression(wanted)]
        ids = [row["id"] for row in self.rows(EVERYTHING, SHOWN) if wanted(chunk_of(row))]
        return [among("id", ids[start : start + _IDS_A_SEARCH]) for start in range(0, len(ids), _IDS_A_SEARCH)]

    def _search(self, query: Sequence[float], k: int, where: str, fields: Sequence[str]) -> list[tuple[Row, float]]:
        nprobe = self.filtered_nprobe if where else self.nprobe
        found = self._probe(query, k, where, fields, nprobe)
        if len(found) < k and nprobe < self.nlist:  # the lists that were compared do not hold as many
            found = self._probe(query, k, where, fields, self.nlist)
        return found

    def _probe(
        self, query: Sequence[float], k: int, where: str, fields: Sequence[str], nprobe: int
    ) -> list[tuple[Row, float]]:
        return self.connection.search(
            self.chunks,
            query,
            limit=k,
            parameters={"metric_type": "IP", "params": {"nprobe": nprobe}},
            where=where,
            fields=fields,
            consistency=self.consistency,
        )
