"""
Multiple-choice questions: MMLU's CSV format, and the two that are made after it.

MMLU has no header: question, A, B, C, D, answer. C-Eval and CMMLU name their columns (`question`, `A` … `D`, `answer`)
and have others. A file is one subject. Of test and val the first whose questions have answers is asked; dev gives the
answered examples before each question.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from bench.errors import InvalidDataset
from chains.language import Language, language_of

LETTERS = ("A", "B", "C", "D")
_ASKED = ("test", "val")
_SHOWN = "dev"
_SEED = 20260101
_INTRODUCTIONS: Mapping[Language, str] = {
    "en": "The following are multiple choice questions (with answers) about {subject}.\n\n",
    "zh": "以下是关于{subject}的单项选择题，请直接给出正确答案的选项。\n\n",
}
_ANSWERS: Mapping[Language, str] = {"en": "Answer:", "zh": "答案："}
_BEFORE_LETTER: Mapping[Language, str] = {"en": " ", "zh": ""}


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """`answer` is the place of the right choice; `shots` are answered questions of the same subject."""

    id: str
    subject: str
    question: str
    choices: tuple[str, str, str, str]
    answer: int
    language: Language
    """The subject's: a single question may be a formula."""
    shots: tuple[ChoiceQuestion, ...] = ()

    @property
    def asked(self) -> str:
        """Up to where the letter comes."""
        lines = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, self.choices, strict=True))
        return "\n".join((self.question, *lines, _ANSWERS[self.language]))

    @property
    def letters(self) -> tuple[str, ...]:
        """What may follow it."""
        return tuple(f"{_BEFORE_LETTER[self.language]}{letter}" for letter in LETTERS)

    def as_json(self) -> dict[str, object]:
        """As `bench.report.scoring` reads it."""
        return {
            "id": self.id,
            "introduction": _INTRODUCTIONS[self.language].format(subject=self.subject),
            "shots": [f"{shot.asked}{shot.letters[shot.answer]}\n\n" for shot in self.shots],
            "question": self.asked,
            "choices": list(self.letters),
        }


def read_choices(files: Mapping[PurePosixPath, str], *, shots: int, limit: int | None) -> list[ChoiceQuestion]:
    """
    The questions of all subjects, or `limit` of them drawn with a fixed seed; each with up to `shots` examples.

    Raises:
        InvalidDataset: a file has other columns, or no question has an answer.
    """
    asked = _asked(files)
    examples: dict[PurePosixPath, Sequence[ChoiceQuestion]] = {
        _place(path): list(_questions(path, text)) for path, text in files.items() if _split(path) == _SHOWN
    }
    found = [
        replace(one, shots=tuple(examples.get(_place(path), ()))[:shots])
        for path, text in asked.items()
        for one in _questions(path, text)
    ]
    if not found:
        raise InvalidDataset("no question of the set has an answer")
    if limit is None or limit >= len(found):
        return found
    return sorted(random.Random(_SEED).sample(found, limit), key=lambda one: one.id)


def _asked(files: Mapping[PurePosixPath, str]) -> Mapping[PurePosixPath, str]:
    """Of C-Eval's test nobody knows the answers: there it is val."""
    for split in _ASKED:
        of_split = {path: text for path, text in files.items() if _split(path) == split}
        if any(next(_questions(path, text), None) for path, text in of_split.items()):
            return of_split
    return {path: text for path, text in files.items() if _split(path) == ""}


def _split(path: PurePosixPath) -> str:
    """By the folder's name, or by how the file's ends; empty where neither says."""
    known = (*_ASKED, _SHOWN)
    ending = path.stem.rpartition("_")[2]
    return next((name for name in known if path.parent.name == name or ending == name), "")


def _subject(path: PurePosixPath) -> str:
    split = _split(path)
    return path.stem.removesuffix(f"_{split}") if split else path.stem


def _place(path: PurePosixPath) -> PurePosixPath:
    """The same for all files of a subject in one set: two sets may have a subject of the same name."""
    root = path.parent.parent if path.parent.name in (*_ASKED, _SHOWN) else path.parent
    return root / _subject(path)


def _questions(path: PurePosixPath, text: str) -> Iterator[ChoiceQuestion]:
    rows = _rows(path, text)
    columns = _columns(rows[0]) if rows else None
    subject, language = _subject(path), language_of(text)
    for number, row in enumerate(rows[1:] if columns else rows, start=2 if columns else 1):
        cells = _cells(path, number, row, columns)
        if cells and (letter := cells[5].strip().upper()):
            if letter not in LETTERS:
                raise InvalidDataset(f"{path}, row {number}: the answer is {letter!r:.20}, and not one of A, B, C, D")
            yield ChoiceQuestion(
                id=f"{_place(path)}/{number}",
                subject=subject.replace("_", " "),
                question=cells[0].strip(),
                choices=(cells[1], cells[2], cells[3], cells[4]),
                answer=LETTERS.index(letter),
                language=language,
            )


def _rows(path: PurePosixPath, text: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise InvalidDataset(f"{path} is no CSV: {error}") from error


def _columns(first: Sequence[str]) -> list[int] | None:
    """Where question, A, B, C, D and answer stand, if the first row is a header."""
    names = [cell.strip().lower() for cell in first]
    wanted = ("question", "a", "b", "c", "d", "answer")
    if "question" not in names or not set(wanted[:5]) <= set(names):
        return None
    return [names.index(name) if name in names else -1 for name in wanted]


def _cells(path: PurePosixPath, number: int, row: Sequence[str], columns: Sequence[int] | None) -> list[str] | None:
    """None where the set does not give the answer."""
    if columns is None:
        if len(row) != 6:
            raise InvalidDataset(
                f"{path}, row {number}, has {len(row)} columns: it needs question, A, B, C, D, answer, or a header"
            )
        return list(row)
    if columns[5] < 0:
        return None
    if len(row) <= max(columns):
        raise InvalidDataset(f"{path}, row {number}, has {len(row)} columns, and fewer than its header")
    return [row[at] for at in columns]
