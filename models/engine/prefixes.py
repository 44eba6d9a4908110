"""Beginnings of texts that were read before, in blocks of tokens: least recently used ones go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Block = TypeVar("Block")


@dataclass(slots=True, eq=False)
class _Node(Generic[Block]):
    parent: _Node[Block] | None
    ids: tuple[int, ...]
    block: Block | None
    size: int
    children: dict[tuple[int, ...], _Node[Block]] = field(default_factory=dict)


class PrefixCache(Generic[Block]):
    """
    Keeps one block for each run of `block_tokens` tokens after each beginning that was seen, up to `budget_bytes`.

    What a block holds depends on all tokens before it, so blocks hang in a tree. A block is never older than those
    that follow it: using a beginning makes its last block the oldest of the path, so the oldest of all is a leaf.
    """

    def __init__(self, *, block_tokens: int, budget_bytes: int, size_of: Callable[[Block], int]) -> None:
        self.block_tokens = block_tokens
        self._budget = budget_bytes
        self._size_of = size_of
        self._root: _Node[Block] = _Node(None, (), None, 0)
        self._by_age: OrderedDict[_Node[Block], None] = OrderedDict()
        self.bytes = 0

    def longest(self, ids: Sequence[int]) -> list[Block]:
        """The blocks of the longest known beginning of `ids`, in order."""
        path = list(self._path(ids))
        self._use(path)
        return [node.block for node in path if node.block is not None]

    def keep(self, ids: Sequence[int], block_at: Callable[[int], Block]) -> None:
        """
        Keep the whole blocks of `ids`; `block_at(token)` makes the one that begins there, where it is not known.

        Where the budget does not hold all of them, the beginning is kept.
        """
        path = list(self._path(ids))
        self._use(path)  # first, so that room is made of others
        for start in range(len(path) * self.block_tokens, len(ids) - self.block_tokens + 1, self.block_tokens):
            block = block_at(start)
            size = self._size_of(block)
            if not self._make_room(size, set(path)):
                break
            parent = path[-1] if path else self._root
            path.append(self._add(parent, tuple(ids[start : start + self.block_tokens]), block, size))
        self._use(path)

    def _path(self, ids: Sequence[int]) -> Iterator[_Node[Block]]:
        node = self._root
        for start in range(0, len(ids) - self.block_tokens + 1, self.block_tokens):
            child = node.children.get(tuple(ids[start : start + self.block_tokens]))
            if child is None:
                return
            node = child
            yield node

    def _use(self, path: Sequence[_Node[Block]]) -> None:
        for node in reversed(path):
            self._by_age.move_to_end(node)

    def _add(self, parent: _Node[Block], ids: tuple[int, ...], block: Block, size: int) -> _Node[Block]:
        node = _Node(parent, ids, block, size)
        parent.children[ids] = node
        self._by_age[node] = None
        self.bytes += size
        return node

    def _make_room(self, size: int, needed: set[_Node[Block]]) -> bool:
        """Whether `size` bytes fit after dropping the oldest blocks, but none of the `needed` ones."""
        while self.bytes + size > self._budget:
            oldest = next(iter(self._by_age), None)
            if oldest is None or oldest in needed:
                return False
            self._drop(oldest)
        return True

    def _drop(self, node: _Node[Block]) -> None:
        if node.parent is not None:
            del node.parent.children[node.ids]
        del self._by_age[node]
        self.bytes -= node.size
