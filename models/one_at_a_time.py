"""For models that can answer one caller only: the others wait their turn, and no event loop waits with them."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from models.errors import CompletionCancelled, CompletionTimeout

T = TypeVar("T")


class _End:
    """The work has ended."""


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


@dataclass(slots=True)
class _Order(Generic[T]):
    """One caller's work; `deliver` is called from the worker's thread."""

    work: Callable[[], Iterator[T]]
    deliver: Callable[[T | _Raised | _End], None]
    stopped: threading.Event = field(default_factory=threading.Event)


_Orders: TypeAlias = "queue.SimpleQueue[_Order[Any] | None]"


class OneAtATime:
    """
    Runs iterators on a thread of its own, one after the other, in the order in which they were asked for.

    Whoever stops listening (closes the iterator, or its task is cancelled) is not waited for: their work is closed
    before its next item.
    """

    def __init__(self, name: str) -> None:
        self._orders: _Orders = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def items(self, work: Callable[[], Iterator[T]], *, timeout_s: float | None) -> Iterator[T]:
        """
        What `work` yields; `timeout_s` is for all of it, waiting included.

        Raises:
            CompletionTimeout: it is over.
            CompletionCancelled: it was closed meanwhile.
        """
        arrived: queue.SimpleQueue[T | _Raised | _End] = queue.SimpleQueue()
        order = self._placed(_Order(work, arrived.put))
        ends = _deadline(timeout_s)
        try:
            while True:
                try:
                    item = arrived.get(timeout=None if ends is None else max(0, ends - time.monotonic()))
                except queue.Empty:
                    raise _too_late(timeout_s) from None
                if isinstance(item, _End):
                    return
                yield _item(item)
        finally:
            order.stopped.set()

    async def aitems(self, work: Callable[[], Iterator[T]], *, timeout_s: float | None) -> AsyncIterator[T]:
        """As `items`, on an event loop."""
        arrived: asyncio.Queue[T | _Raised | _End] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def deliver(item: T | _Raised | _End) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to listen
                loop.call_soon_threadsafe(arrived.put_nowait, item)

        order = self._placed(_Order(work, deliver))
        ends = None if timeout_s is None else loop.time() + timeout_s
        try:
            while True:
                try:
                    async with asyncio.timeout_at(ends):
                        item = await arrived.get()
                except TimeoutError:
                    raise _too_late(timeout_s) from None
                if isinstance(item, _End):
                    return
                yield _item(item)
        finally:
            order.stopped.set()

    def close(self) -> None:
        """Nothing begins any more; what runs is not waited for, since it cannot be hurried."""
        self._closed = True
        self._orders.put(None)

    def is_alive(self) -> bool:
        return self._thread.is_alive() and not self._closed

    def _placed(self, order: _Order[T]) -> _Order[T]:
        if self._closed:
            raise CompletionCancelled("the model is closed")
        self._orders.put(order)
        return order

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            self._serve(order)
        while not self._orders.empty():
            if late := self._orders.get():
                late.deliver(_Raised(CompletionCancelled("the model was closed before it came to this")))

    def _serve(self, order: _Order[Any]) -> None:
        if order.stopped.is_set():
            return
        try:
            with closing(order.work()) as items:  # type: ignore[type-var]  # they are generators
                for item in items:
                    if order.stopped.is_set() or self._closed:
                        break
                    order.deliver(item)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's, and others wait behind it
            order.deliver(_Raised(error))
        else:
            closed = self._closed and not order.stopped.is_set()
            order.deliver(_Raised(CompletionCancelled("the model was closed meanwhile")) if closed else _End())


def _item(item: T | _Raised) -> T:
    if isinstance(item, _Raised):
        raise item.error
    return item


def _deadline(timeout_s: float | None) -> float | None:
    return None if timeout_s is None else time.monotonic() + timeout_s


def _too_late(timeout_s: float | None) -> CompletionTimeout:
    return CompletionTimeout(
        f"the answer was not complete after {timeout_s:g} s; this model answers one caller at a time: "
        "ask for fewer tokens, or raise LARKWISE_REQUEST_TIMEOUT_S"
    )
