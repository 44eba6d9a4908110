"""LangChain's own suites for chat models, on a real model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from models.chat import LocalChatModel


class _Model:
    """The suites construct the model themselves: these are its arguments."""

    @pytest.fixture(autouse=True)
    def _loaded(self, smollm2: LocalChatModel) -> None:
        self._smollm2 = smollm2

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LocalChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        loaded = self._smollm2
        return {
            "engine": loaded.engine,
            "tokenizer": loaded.tokenizer,
            "model": loaded.model,
            "context_length": loaded.context_length,
            "stop_ids": loaded.stop_ids,
        }

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 24, "timeout": 60, "stop": [], "max_retries": 2}


class TestUnit(_Model, ChatModelUnitTests):
    pass


class TestIntegration(_Model, ChatModelIntegrationTests):
    pass
