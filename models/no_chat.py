"""The chat model of a service that has none: only sentences of the documents are given."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from models.errors import ModelUnavailable


class NoChatModel(BaseChatModel):
    """
    Raises:
        ModelUnavailable: always.
    """

    @property
    def _llm_type(self) -> str:
        return "larkwise-none"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise ModelUnavailable(
            "this service runs without a language model (LARKWISE_LLM_PROVIDER=none): it answers with sentences of the "
            "documents, and cannot write text"
        )
