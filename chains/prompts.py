"""Every word that is said to the model, in Chinese and English, and what it is told to say."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from chains.answers import Source, Turn
from chains.language import Language

REFUSALS: dict[Language, str] = {
    "zh": "根据现有资料无法回答此问题",
    "en": "The documents do not answer this question.",
}

_NEAREST = 3
_NEAREST_ARE: dict[Language, str] = {
    "zh": "。最接近的内容见：{}。",
    "en": " The nearest passages are in {}.",
}

# Small models refuse too readily when refusing is what the prompt speaks of first: the task comes first here, and the
# way out last, in the words that are then recognised.
_RAG_SYSTEM: dict[Language, str] = {
    "zh": "你是知识库助手。请从参考资料中找出答案，用一两句简短的中文回答，数字、名称和命令照抄原文。",
    "en": (
        "You answer questions from reference material. Find the answer in it and say it in one short "
        "sentence; copy numbers, names and commands exactly."
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

_REWRITING_SYSTEM: dict[Language, str] = {
    "zh": (
        "你把对话之后的追问改写成不看对话也能明白的完整问题：补上代词所指的和省略的内容，保留追问的意思和用词。"
        "本来就完整的问题，或者换了话题的问题，原样照抄。只写一行问题，不要回答。"
    ),
    "en": (
        "You rewrite the follow-up after a conversation as one complete question that is understood without it: put in "
        "what its pronouns mean and what it leaves out, and keep its meaning and its words. A question that is "
        "complete, or about something else, is copied as it is. Write one line, the question; do not answer it."
    ),
}
_REWRITING_HUMAN: dict[Language, str] = {
    "zh": "对话：\n{conversation}\n追问：{follow_up}\n完整问题：",
    "en": "Conversation:\n{conversation}\nFollow-up: {follow_up}\nComplete question:",
}
_REWRITING_TURN: dict[Language, str] = {"zh": "问：{question}\n答：{answer}", "en": "Q: {question}\nA: {answer}"}
_REWRITING_EXAMPLES: dict[Language, list[tuple[str, str, str, str]]] = {
    "zh": [
        ("打印机的墨盒多少钱一个？", "每个 300 元。", "在哪里领取？", "打印机的墨盒在哪里领取？"),
        ("会议室最多可以提前几天预订？", "14 天。", "那班车呢？", "班车最多可以提前几天预订？"),
        ("工卡丢了怎么补办？", "到前台填表。", "健身房几点关门？", "健身房几点关门？"),
        ("访客网络的密码是什么？", "每天都不同。", "怎么拿到它？", "怎么拿到访客网络的密码？"),
    ],
    "en": [
        (
            "How much does a toner cartridge cost?",
            "30 dollars.",
            "Where do I get one?",
            "Where do I get a toner cartridge?",
        ),
        (
            "How early can a meeting room be booked?",
            "14 days.",
            "And the shuttle?",
            "How early can the shuttle be booked?",
        ),
        ("How is a lost key replaced?", "At the desk.", "When does the gym close?", "When does the gym close?"),
        (
            "What is the guest password?",
            "It is new each day.",
            "Who can change it?",
            "Who can change the guest password?",
        ),
    ],
}


_REWORDING: dict[Language, str] = {
    "zh": (
        "把下面的问题换一种说法：意思不变，名称和数字照抄，尽量用别的词。只写一行问题，不要回答。\n\n"
        "问题：{question}\n换一种说法："
    ),
    "en": (
        "Ask the following question in other words: the same meaning, names and numbers copied, other words where "
        "there are any. Write one line, the question; do not answer it.\n\nQuestion: {question}\nIn other words:"
    ),
}


def rewording_prompt(language: Language) -> ChatPromptTemplate:
    """Takes `question`."""
    return ChatPromptTemplate.from_messages([("human", _REWORDING[language])])


def rag_prompt(language: Language, *, may_refuse: bool) -> ChatPromptTemplate:
    """Takes `passages`, `question` and `refusal`; the last one is said only where the model `may_refuse`."""
    human = _RAG_HUMAN[language] + (_WAY_OUT[language] if may_refuse else "")
    return ChatPromptTemplate.from_messages([("system", _RAG_SYSTEM[language]), ("human", human)])


def summarize_prompt(language: Language) -> ChatPromptTemplate:
    """Takes `text`."""
    return _SUMMARIZE[language]


def rewriting_prompt(language: Language) -> ChatPromptTemplate:
    """Takes `conversation`, as `conversation` writes it, and `follow_up`."""
    human = _REWRITING_HUMAN[language]
    messages: list[BaseMessage] = [SystemMessage(_REWRITING_SYSTEM[language])]
    for question, answer, follow_up, complete in _REWRITING_EXAMPLES[language]:
        before = conversation([{"question": question, "answer": answer}], language)
        messages += [HumanMessage(human.format(conversation=before, follow_up=follow_up)), AIMessage(complete)]
    return ChatPromptTemplate.from_messages([*messages, ("human", human)])


def conversation(turns: Sequence[Turn], language: Language) -> str:
    """Turns as the model reads them, a line for each question and each answer, whatever they hold."""
    said = [{name: " ".join(str(text).split()) for name, text in turn.items()} for turn in turns]
    return "\n".join(_REWRITING_TURN[language].format(**turn) for turn in said)


def passages(sources: Sequence[Source]) -> str:
    """The sources as the model reads them: with their place, so that it can tell two alike ones apart."""
    return "\n\n".join(f"{_place(one)}\n{one['content']}" for one in sources)


def nearest(language: Language, sources: Sequence[Source]) -> str:
    """What a refusal adds: where the asker might look nevertheless; nothing where nothing was found."""
    places = list(dict.fromkeys(_place(one) for one in sources))[:_NEAREST]
    if not places:
        return ""
    named = "、".join(places) if language == "zh" else ", ".join(f'"{place[1:-1]}"' for place in places)
    return _NEAREST_ARE[language].format(named)


def _place(one: Source) -> str:
    metadata = one["metadata"]
    parts = [str(metadata.get("title") or metadata.get("source") or ""), str(metadata.get("headings") or "")]
    return "《" + " > ".join(part for part in parts if part) + "》"
