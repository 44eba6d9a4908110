"""Every word that the bot itself says to a person, in Chinese and English."""

from __future__ import annotations

from typing import Literal, TypeAlias

from chains.language import Language

Key: TypeAlias = Literal[
    "title",
    "file_title",
    "question",
    "answer",
    "sources",
    "confidence",
    "refused",
    "extractive",
    "earlier",
    "helpful",
    "not_helpful",
    "regenerate",
    "page",
    "writing",
    "stopped",
    "unfinished",
    "help",
    "forgotten",
    "collections",
    "no_collections",
    "collection_chosen",
    "collection_unknown",
    "collection_missing",
    "no_sources",
    "nothing_runs",
    "stopping",
    "unknown_command",
    "empty",
    "too_long",
    "not_supported",
    "no_ocr",
    "not_permitted",
    "image_unread",
    "image_damaged",
    "image_too_large",
    "refused_content",
    "forward_unread",
    "too_large",
    "file_gone",
    "file_offer",
    "file_yes",
    "file_no",
    "file_running",
    "file_done",
    "file_failed",
    "file_refused",
    "file_unsupported",
    "too_many",
    "failed",
    "busy",
    "unsure",
    "recalled",
    "follows",
    "thanks_up",
    "thanks_down",
    "regenerating",
    "regenerating_already",
    "not_here",
    "unknown_button",
    "no_more",
]

_TEXTS: dict[Key, dict[Language, str]] = {
    "title": {"zh": "🤖 AI助手回答", "en": "🤖 AI assistant's answer"},
    "file_title": {"zh": "📎 知识库", "en": "📎 Knowledge base"},
    "question": {"zh": "您的问题:", "en": "Your question:"},
    "answer": {"zh": "AI回答:", "en": "Answer:"},
    "sources": {"zh": "来源（{}）", "en": "Sources ({})"},
    "confidence": {"zh": "置信度 {}%", "en": "Confidence {}%"},
    "refused": {"zh": "资料中没有找到答案", "en": "Not found in the documents"},
    "extractive": {
        "zh": "模型正忙，以上为文档原文摘录",
        "en": "The model is busy: these are sentences of the documents",
    },
    "earlier": {"zh": "之前的回答（{}）", "en": "Earlier answer ({})"},
    "helpful": {"zh": "👍 有帮助", "en": "👍 Helpful"},
    "not_helpful": {"zh": "👎 无帮助", "en": "👎 Not helpful"},
    "regenerate": {"zh": "🔄 重新生成", "en": "🔄 Regenerate"},
    "page": {"zh": "第 {} 页", "en": "page {}"},
    "writing": {"zh": "正在回答…", "en": "Answering …"},
    "stopped": {"zh": "（已停止）", "en": "(stopped)"},
    "unfinished": {"zh": "没有写完，未经核对", "en": "Not finished, and not checked"},
    "help": {
        "zh": (
            "直接提问即可，我会根据知识库回答并给出来源；在群里请先 @我。\n"
            "/new 开始新的对话\n"
            "/kb 查看知识库，/kb 名称 选择本会话使用的知识库\n"
            "/sources 查看上一个回答的来源\n"
            "/stop 停止正在生成的回答\n"
            "/help 显示本帮助\n"
            "也可以发送图片（识别其中的文字），或发送文件（确认后加入本会话的知识库）。"
        ),
        "en": (
            "Just ask: I answer from the documents and show my sources. In groups, mention me.\n"
            "/new begins a new conversation\n"
            "/kb shows the collections, /kb NAME chooses the one that this chat asks\n"
            "/sources shows what the last answer rests on\n"
            "/stop ends the answer that is being written\n"
            "/help shows this\n"
            "Images are read for their text, and files go into this chat's collection after you confirm."
        ),
    },
    "forgotten": {"zh": "好的，我们开始新的对话。", "en": "A new conversation begins."},
    "collections": {
        "zh": "本会话使用的知识库：{}\n可选：{}\n用“/kb 名称”切换。",
        "en": "This chat asks the collection {}.\nThere are: {}\n`/kb NAME` chooses another.",
    },
    "no_collections": {
        "zh": "还没有知识库：请管理员先导入文档（larkwise ingest）。",
        "en": "There is no collection yet: documents are put into one with `larkwise ingest`.",
    },
    "collection_chosen": {"zh": "本会话现在使用知识库：{}", "en": "This chat now asks the collection {}."},
    "collection_unknown": {"zh": "没有名为“{}”的知识库。可选：{}", "en": "There is no collection {}. There are: {}"},
    "collection_missing": {
        "zh": "知识库“{}”不存在，请用 /kb 选择一个。",
        "en": "There is no collection {}: choose one with /kb.",
    },
    "no_sources": {"zh": "这个对话里还没有带来源的回答。", "en": "No answer of this conversation has sources yet."},
    "nothing_runs": {"zh": "现在没有正在生成的回答。", "en": "No answer is being written."},
    "stopping": {"zh": "已停止。", "en": "Stopped."},
    "unknown_command": {
        "zh": "没有 {} 这个命令，发送 /help 查看用法。",
        "en": "There is no command {}: /help lists them.",
    },
    "empty": {
        "zh": "请写下您的问题，发送 /help 查看用法。",
        "en": "What do you want to know? /help says what I can do.",
    },
    "too_long": {
        "zh": "问题太长了（{} 个字符，最多 {} 个），请缩短后再发。",
        "en": "The question has {} characters, and at most {} can be read: please shorten it.",
    },
    "not_supported": {
        "zh": "我还看不懂{}消息。请发送文字、图片或文件（pdf、docx、md、txt 等）。",
        "en": "I cannot read {} messages. Send text, an image or a file (pdf, docx, md, txt …).",
    },
    "no_ocr": {
        "zh": "服务器没有安装文字识别，请把图片里的问题用文字发给我。",
        "en": "Text recognition is not installed here: please write what the image says.",
    },
    "not_permitted": {
        "zh": "我没有获取图片和文件的权限（管理员可运行 larkwise feishu check 查看缺少什么）。问题可以用文字发给我。",
        "en": "I may not fetch images and files here (larkwise feishu check tells an administrator what is missing). "
        "Questions can be written.",
    },
    "image_unread": {
        "zh": "图片无法读取，只回答了文字",
        "en": "The image cannot be read: this answers the words alone",
    },
    "image_damaged": {
        "zh": "这张图片无法读取，请把里面的问题用文字发给我。",
        "en": "The image cannot be read: please write what it says.",
    },
    "image_too_large": {
        "zh": "这张图片超过了 {} MB 的上限，请压缩后再发。",
        "en": "The image is larger than {} MB, which is the limit: please send a smaller one.",
    },
    "refused_content": {
        "zh": "回答里有飞书不允许发送的内容，请换个问法。",
        "en": "Feishu does not let this answer through: please ask in other words.",
    },
    "forward_unread": {
        "zh": "转发的消息读取不到，请把内容直接发给我。",
        "en": "The forwarded messages cannot be read: please send me what they say.",
    },
    "too_large": {
        "zh": "“{}”超过了 {} MB 的上限，请压缩或拆分后再发。",
        "en": "{} is larger than {} MB, which is the limit: please send it in parts, or smaller.",
    },
    "file_gone": {
        "zh": "这个文件已经取不到了，请重新发送。",
        "en": "The file cannot be fetched any more: please send it again.",
    },
    "file_offer": {"zh": "把“{}”加入知识库“{}”吗？", "en": "Put {} into the collection {}?"},
    "file_yes": {"zh": "加入知识库", "en": "Add it"},
    "file_no": {"zh": "不用", "en": "No"},
    "file_running": {"zh": "正在把“{}”加入知识库“{}”…", "en": "Putting {} into the collection {} …"},
    "file_done": {
        "zh": "“{}”已加入知识库“{}”，现在可以提问了。",
        "en": "{} is in the collection {} now: ask away.",
    },
    "file_failed": {"zh": "“{}”没能加入知识库：{}", "en": "{} could not be added: {}"},
    "file_refused": {"zh": "好的，没有加入“{}”。", "en": "{} was not added."},
    "file_unsupported": {
        "zh": "“{}”这种文件我还读不了。支持：{}",
        "en": "{} is of a kind that I cannot read. I read: {}",
    },
    "too_many": {
        "zh": "这个会话里还有 {} 个问题在排队，请等它们回答之后再问。",
        "en": "{} questions of this conversation are still waiting: please ask again when they are answered.",
    },
    "failed": {
        "zh": "抱歉，这个问题没能回答。请再问一次。",
        "en": "Sorry, this could not be answered. Please ask again.",
    },
    "busy": {
        "zh": "现在提问的人太多，请过一会儿再问。",
        "en": "Too many are asking at the moment: please ask again later.",
    },
    "unsure": {
        "zh": "服务中断了一段时间，我无法确认之前的回答是否已经送达。如果没有收到，请再问一次。",
        "en": "The service was interrupted, and I cannot tell whether my answer has reached you. If not, please ask again.",
    },
    "recalled": {"zh": "问题已撤回。", "en": "The question was recalled."},
    "follows": {"zh": "回答见下一条消息。", "en": "The answer is in the next message."},
    "thanks_up": {"zh": "感谢反馈！", "en": "Thank you!"},
    "thanks_down": {
        "zh": "感谢反馈，我们会改进。可以点“重新生成”再试一次。",
        "en": "Thank you. Regenerate tries once more.",
    },
    "regenerating": {"zh": "正在重新生成…", "en": "Writing another answer …"},
    "regenerating_already": {"zh": "已经在重新生成了，请稍候。", "en": "Another answer is being written already."},
    "not_here": {"zh": "请在原来的会话里操作。", "en": "This works in the original chat only."},
    "unknown_button": {"zh": "这个按钮已经失效。", "en": "This button does nothing any more."},
    "no_more": {
        "zh": "这个问题已经有 {} 个回答，请换个问法。",
        "en": "There are {} answers already: please ask in other words.",
    },
}

_TYPES: dict[str, dict[Language, str]] = {
    "audio": {"zh": "语音", "en": "voice"},
    "media": {"zh": "视频", "en": "video"},
    "sticker": {"zh": "表情", "en": "sticker"},
    "share_chat": {"zh": "群名片", "en": "shared-chat"},
    "share_user": {"zh": "个人名片", "en": "shared-contact"},
    "interactive": {"zh": "卡片", "en": "card"},
}


def say(key: Key, language: Language, *values: object) -> str:
    """The text, with its values put in."""
    return _TEXTS[key][language].format(*values)


def type_name(msg_type: str, language: Language) -> str:
    """What people call a type of message."""
    return _TYPES.get(msg_type, {}).get(language, "这类" if language == "zh" else "such")
