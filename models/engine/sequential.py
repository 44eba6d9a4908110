"""One completion after the other on one thread: the plain engine, and the one that others are compared with."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from models.engine.requests import CompletionRequest, Event, Failed, Finished, FinishReason, Token
from models.engine.sampling import Sampler

logger = logging.getLogger(__name__)

PREFILL_TOKENS = 256
"""A prompt is read in pieces of so many tokens: between two pieces a cancellation is noticed."""


@dataclass(slots=True)
class _Submission:
    request: CompletionRequest
    on_event: Callable[[Event], None]
    deadline: float | None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.cancelled.set()

    def interruption(self) -> FinishReason | None:
        """Why this request must not go on, if it must not."""
        if self.cancelled.is_set():
            return "cancelled"
        if self.deadline is not None and time.monotonic() > self.deadline:
            return "timeout"
        return None


class SequentialEngine:
    """
    Runs requests in order of arrival over any transformers causal language model.

    `threads` is how many threads torch may use for one step: on a machine that is busy with other work,
    fewer are faster, because the threads of a step wait for each other.
    """

    def __init__(self, model: Any, *, threads: int | None = None) -> None:
        self._model = model
        self._threads = threads
        self._submissions: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="larkwise-engine", daemon=True)
        self._thread.start()

    def submit(self, request: CompletionRequest, on_event: Callable[[Event], None]) -> _Submission:
        if self._closing.is_set():
            raise RuntimeError("the engine is closed")
        deadline = None if request.timeout_s is None else time.monotonic() + request.timeout_s
        submission = _Submission(request, on_event, deadline)
        self._submissions.put(submission)
        return submission

    def is_alive(self) -> bool:
        return self._thread.is_alive() and not self._closing.is_set()

    def close(self) -> None:
        self._closing.set()
        self._submissions.put(None)
        self._thread.join()

    def _work(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        while (submission := self._submissions.get()) is not None:
            self._run(submission)
        while not self._submissions.empty():
            late = self._submissions.get()
            if late is not None:
                late.on_event(Finished("cancelled", 0))

    def _run(self, submission: _Submission) -> None:
        try:
            submission.on_event(self._complete(submission))
        except Exception as error:
            logger.exception("a completion failed")
            submission.on_event(Failed(error))

    @torch.inference_mode()
    def _complete(self, submission: _Submission) -> Finished:
        request = submission.request
        sampler = Sampler(request, device=self._model.device)
        cache = DynamicCache(config=self._model.config)
        logits = None
        for start in range(0, len(request.prompt_ids), PREFILL_TOKENS):
            if reason := self._interruption(submission):
                return Finished(reason, 0)
            logits = self._step(request.prompt_ids[start : start + PREFILL_TOKENS], cache)
        for done in range(request.max_tokens):
            if reason := self._interruption(submission):
                return Finished(reason, done)
            token = sampler.choose(logits)  # type: ignore[arg-type]  # a prompt is never empty, so there are logits
            if token in request.stop_ids:
                return Finished("stop", done)
            submission.on_event(Token(token))
            if done + 1 < request.max_tokens:
                logits = self._step((token,), cache)
        return Finished("length", request.max_tokens)

    def _interruption(self, submission: _Submission) -> FinishReason | None:
        return "cancelled" if self._closing.is_set() else submission.interruption()

    def _step(self, ids: tuple[int, ...], cache: DynamicCache) -> torch.Tensor:
        tokens = torch.tensor([ids], device=self._model.device)  # (1, tokens)
        output = self._model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: torch.Tensor = output.logits[:, -1, :]  # (1, vocabulary)
        return logits
