"""Every word that is said to the model, in Chinese and English, and what it is told to say."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.prompts import ChatPromptTemplate

from chains.language import Language
from chains.retrieval import Found

REFUSALS: dict[Language, str] = {
    "zh": "根据现有资料无法回答此问题",
    "en": "The documents do not answer this question.",
}

# Small models refuse too readily when refusing is what the prompt speaks of first: the task comes first here, and the
# way out last, in the words that are then recognised.
_RAG_SYSTEM: dict[Language, str] = {
    "zh": "你是知识库助手。请从参考资料中找出答案，用一两句简短的中文回答，数字、名称和命令照抄原文。",
    "en": (
        "You answer questions from reference material. Find the answer in it and say it in one or two short "
        "sentences; copy numbers, names and commands exactly."
    ),
}
_RAG_HUMAN: dict[Language, str] = {
    "zh": "参考资料：\n\n{passages}\n\n问题：{question}\n\n请根据上面的参考资料直接回答这个问题。",
    "en": (
        "Reference material:\n\n{passages}\n\nQuestion: {question}\n\n"
        "Answer the question directly from the reference material above."
    ),
}
_WAY_OUT: dict[Language, str] = {
    "zh": "只有当参考资料中完全没有相关内容时，才回答“{refusal}”。",
    "en": ' Only if it holds nothing about this, say "{refusal}"',
}

CHAT: dict[Language, str] = {
    "zh": "你是一个乐于助人的助手，用简洁的中文回答。不知道的事情就说不知道。",
    "en": "You are a helpful assistant. Answer briefly, and say so when you do not know.",
}

_SUMMARIZE: dict[Language, ChatPromptTemplate] = {
    "zh": ChatPromptTemplate.from_messages(
        [("system", "你负责写摘要，只写原文中有的内容。"), ("human", "用三五句中文概括下面的文字：\n\n{text}")]
    ),
    "en": ChatPromptTemplate.from_messages(
        [
            ("system", "You write summaries, and only of what the text says."),
            ("human", "Summarize the following text in three to five sentences:\n\n{text}"),
        ]
    ),
}


def rag_prompt(language: Language, *, may_refuse: bool) -> ChatPromptTemplate:
    """Takes `passages`, `question` and `refusal`; the last one is said only where the model `may_refuse`."""
    human = _RAG_HUMAN[language] + (_WAY_OUT[language] if may_refuse else "")
    return ChatPromptTemplate.from_messages([("system", _RAG_SYSTEM[language]), ("human", human)])


def summarize_prompt(language: Language) -> ChatPromptTemplate:
    """Takes `text`."""
    return _SUMMARIZE[language]


def passages(found: Sequence[Found]) -> str:
    """The chunks as the model reads them: with their place, so that it can tell two alike ones apart."""
    return "\n\n".join(f"{_place(one)}\n{one.document.page_content}" for one in found)


def _place(one: Found) -> str:
    metadata = one.document.metadata
    parts = [str(metadata.get("title") or metadata.get("source") or ""), str(metadata.get("headings") or "")]
    return "《" + " > ".join(part for part in parts if part) + "》"
