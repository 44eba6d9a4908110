"""
How often an INT8 model chooses the token that the 16-bit model chose: `python -m evals.quantization --set DIR`.

DIR holds corpus.jsonl (`id`, `text`) and queries.jsonl (`question`, `gold_ids`, `answers`, `answerable`); give one for
each language. The 16-bit model answers once, greedily, into the file --answers; then the measured model reads each
prompt with that answer and says at every place what it would have written next (teacher-forced). On two cores the
answers take about ten minutes, and a measurement five. `--quantization none` shows how well the 16-bit model agrees
with itself, reading alone what it had written in a batch: nothing can agree better than that.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.services import open_weights
from app.settings import load_settings
from chains.language import Language, language_of
from chains.prompts import rag_prompt
from models.chat import as_template, stop_ids_of
from models.conversion import Quantization, ready_model_folder
from models.quantization import load_quantized
from models.transformers_output import silence
from models.weights import WeightsStore

_EXCERPT: dict[Language, int] = {"zh": 400, "en": 1300}
"""Characters of a passage: about 270 tokens in either language."""
_AND_WHY: dict[Language, str] = {
    "zh": "请先回答，再用两三句话说明资料中的依据。",
    "en": "Answer first, then explain in two or three sentences what the material says about it.",
}
"""Longer answers give more tokens to compare for each prompt that must be read."""
_BATCH = 8
_RESAMPLES = 2000
_FROM_GGUF = "the 16-bit weights were themselves dequantized from {file}"


class Answer(BaseModel):
    """What the 16-bit model said to one prompt, in token ids."""

    language: Language
    prompt: list[int]
    answer: list[int]


class Agreement(BaseModel):
    """`agreeing` of `tokens` were the same; the interval holds 95 % of resamples over the answers."""

    tokens: int
    agreeing: int
    value: float
    low: float
    high: float


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    silence()
    if not options.answers.is_file():
        _say(f"the 16-bit model answers {options.questions} questions a set: {options.answers}")
        write_answers(options)
    answers = [Answer.model_validate_json(line) for line in options.answers.read_text(encoding="utf-8").splitlines()]
    same = compare(_model(options.model, options.quantization), answers)
    _report(options, by_language(answers, same))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="sets", action="append", type=Path, required=True, metavar="DIR")
    parser.add_argument("--answers", type=Path, default=Path("var/quantization-answers.jsonl"))
    parser.add_argument("--model", default=load_settings().llm_model)
    parser.add_argument("--quantization", choices=("int8", "none"), default="int8", help="of the model to measure")
    parser.add_argument("--questions", type=int, default=50, help="of each set")
    parser.add_argument("--tokens", type=int, default=48, help="of an answer, at most")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def write_answers(options: argparse.Namespace) -> None:
    """Let the 16-bit model answer every set's questions, and keep prompts and answers as token ids."""
    model = _model(options.model, "none")
    tokenizer: Any = AutoTokenizer.from_pretrained(model.name_or_path, padding_side="left")
    asked = [prompt for folder in options.sets for prompt in prompts(folder, options.questions)]
    asked.sort(key=lambda prompt: len(prompt.text))  # those of a batch are padded to the longest
    options.answers.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for first in range(0, len(asked), _BATCH):
        _say(f"answered {first} of {len(asked)}")
        some = _answer(model, tokenizer, asked[first : first + _BATCH], options.tokens)
        lines += [answer.model_dump_json() for answer in some]
    options.answers.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _answer(model: Any, tokenizer: Any, asked: Sequence[Prompt], tokens: int) -> Iterator[Answer]:
    texts = [
        tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True) for prompt in asked
    ]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.inference_mode():
        out = model.generate(**batch, max_new_tokens=tokens, do_sample=False)
    width = batch["input_ids"].shape[1]
    ends = stop_ids_of(tokenizer, model.generation_config)
    for prompt, ids, mask, row in zip(asked, batch["input_ids"], batch["attention_mask"], out, strict=True):
        answer = row[width:].tolist()
        end = next((place for place, token in enumerate(answer) if token in ends), len(answer) - 1)
        yield Answer(language=prompt.language, prompt=ids[mask.bool()].tolist(), answer=answer[: end + 1])


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with its passages, as the model reads it."""

    language: Language
    messages: list[dict[str, str]]

    @property
    def text(self) -> str:
        return "".join(message["content"] for message in self.messages)


def prompts(folder: Path, count: int) -> list[Prompt]:
    """Questions with two passages, one of which holds the answer, as the chain "rag" asks them; the same each time."""
    texts = {line["id"]: line["text"] for line in _lines(folder / "corpus.jsonl")}
    answerable = [line for line in _lines(folder / "queries.jsonl") if line["answerable"]]
    chance = random.Random(0)  # noqa: S311 - nothing secret
    return [_prompt(line, texts, chance) for line in chance.sample(answerable, count)]


def _prompt(line: dict[str, Any], texts: dict[str, str], chance: random.Random) -> Prompt:
    language = language_of(line["question"])
    other = chance.choice(sorted(texts.keys() - set(line["gold_ids"])))
    found = [
        _excerpt(texts[line["gold_ids"][0]], line["answers"][0], language),
        _excerpt(texts[other], "", language),
    ]
    chance.shuffle(found)
    question = f"{line['question']} {_AND_WHY[language]}"
    said = rag_prompt(language, may_refuse=False).format_messages(
        passages="\n\n".join(found), question=question, refusal=""
    )
    return Prompt(language, as_template(said))


def _excerpt(text: str, answer: str, language: Language) -> str:
    begin = max(0, text.find(answer) - _EXCERPT[language] // 2)
    return text[begin : begin + _EXCERPT[language]]


def compare(model: Any, answers: Sequence[Answer]) -> list[list[bool]]:
    """For every token of every answer, whether `model` would have written it after those before it."""
    return [_same(model, answer) for answer in answers]


def _same(model: Any, answer: Answer) -> list[bool]:
    ids = torch.tensor([answer.prompt + answer.answer[:-1]])
    with torch.inference_mode():
        logits = model(ids, logits_to_keep=len(answer.answer), use_cache=False).logits[0]  # (answer, vocabulary)
    return [bool(same) for same in logits.argmax(-1) == torch.tensor(answer.answer)]


def agreement(same: Sequence[Sequence[bool]]) -> Agreement:
    """The share of equal tokens; answers are resampled whole, because the tokens of one answer go together."""
    chance = random.Random(0)  # noqa: S311 - nothing secret
    shares = sorted(_share(chance.choices(same, k=len(same))) for _ in range(_RESAMPLES))
    tokens, agreeing = sum(map(len, same)), sum(map(sum, same))
    low, high = shares[_RESAMPLES // 40], shares[-_RESAMPLES // 40]
    return Agreement(tokens=tokens, agreeing=agreeing, value=agreeing / tokens, low=low, high=high)


def _share(same: Sequence[Sequence[bool]]) -> float:
    return sum(map(sum, same)) / sum(map(len, same))


def by_language(answers: Sequence[Answer], same: Sequence[Sequence[bool]]) -> dict[str, Agreement]:
    """The agreement over all answers, and over those of each language that there is."""
    parts: dict[str, list[Sequence[bool]]] = {"all": list(same)}
    for answer, row in zip(answers, same, strict=True):
        parts.setdefault(answer.language, []).append(row)
    return {name: agreement(part) for name, part in parts.items()}


def _report(options: argparse.Namespace, results: dict[str, Agreement]) -> None:
    note = _note(options.model)
    if options.json:
        facts = {"model": options.model, "quantization": options.quantization, "note": note}
        print(json.dumps(facts | {name: result.model_dump() for name, result in results.items()}))
        return
    print(f"{options.model}, {options.quantization}: next tokens as in the 16-bit model's greedy answers")
    for name, result in results.items():
        print(f"{name:>4}: {result.value:.4f} [{result.low:.4f}, {result.high:.4f}] of {result.tokens} tokens")
    if note:
        print(f"note: {note}")


def _note(name: str) -> str:
    file = next(iter(_weights().ensure(name).glob("*.gguf")), None)
    return _FROM_GGUF.format(file=file.name) if file else ""


def _model(name: str, quantization: Quantization) -> Any:
    folder = ready_model_folder(_weights(), name, quantization=quantization)
    if quantization == "int8":
        return load_quantized(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return model.eval()


def _weights() -> WeightsStore:
    return open_weights(load_settings())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
