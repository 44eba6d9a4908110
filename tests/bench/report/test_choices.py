"""Multiple-choice sets in the three forms that there are, and models that read them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from bench.errors import InvalidDataset
from bench.report.archives import csv_files
from bench.report.choices import ChoiceQuestion, read_choices
from bench.report.scoring import Scorer, load
from models.quantization import quantize_folder
from models.weights import no_progress

MMLU = {
    "test/high_school_geography_test.csv": (
        "Which of these is a river?,Nile,Alps,Sahara,Paris,A\n"
        '"Which, of these, is a desert?",Nile,Alps,Sahara,Paris,C\n'
    ),
    "dev/high_school_geography_dev.csv": "Which of these is a city?,Nile,Alps,Sahara,Paris,D\n",
    "val/high_school_geography_val.csv": "Which of these is a mountain range?,Nile,Alps,Sahara,Paris,B\n",
    "README.txt": "",
}
CEVAL = {
    "test/law_test.csv": "id,question,A,B,C,D\n0,没有答案的问题,甲,乙,丙,丁\n",
    "val/law_val.csv": "id,question,A,B,C,D,answer\n0,下列哪一个是颜色？,红,河,山,狗,A\n",
    "dev/law_dev.csv": "id,question,A,B,C,D,answer,explanation\n0,1+1等于几？,1,2,3,4,B,因为\n",
}
CMMLU = {
    "test/agronomy.csv": ",Question,A,B,C,D,Answer\n0,下列哪一个是动物？,红,河,山,狗,D\n1,x^2=4,1,2,3,4,B\n",
    "dev/agronomy.csv": ",Question,A,B,C,D,Answer\n0,下列哪一个是植物？,树,河,山,狗,A\n",
}


def laid(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding=encoding)
    return folder


def read(folder: Path, *, shots: int = 5, limit: int | None = None) -> list[ChoiceQuestion]:
    return read_choices(csv_files(folder), shots=shots, limit=limit)


def test_mmlu_is_read_without_a_header(tmp_path: Path) -> None:
    first, second = read(laid(tmp_path, MMLU))

    assert (first.id, first.answer, second.answer) == ("high_school_geography/1", 0, 2)
    assert second.question == "Which, of these, is a desert?"
    assert first.as_json() == {
        "id": "high_school_geography/1",
        "introduction": ("The following are multiple choice questions (with answers) about high school geography.\n\n"),
        "shots": ["Which of these is a city?\nA. Nile\nB. Alps\nC. Sahara\nD. Paris\nAnswer: D\n\n"],
        "question": "Which of these is a river?\nA. Nile\nB. Alps\nC. Sahara\nD. Paris\nAnswer:",
        "choices": [" A", " B", " C", " D"],
    }


def test_of_ceval_the_questions_with_answers_are_asked(tmp_path: Path) -> None:
    (only,) = read(laid(tmp_path, CEVAL))

    assert (only.id, only.question, only.answer) == ("law/2", "下列哪一个是颜色？", 0)
    assert only.asked.endswith("D. 狗\n答案：")
    assert only.letters == ("A", "B", "C", "D")
    assert [shot.answer for shot in only.shots] == [1]


def test_of_cmmlu_a_formula_is_asked_in_the_language_of_its_subject(tmp_path: Path) -> None:
    first, second = read(laid(tmp_path, CMMLU))

    assert (first.answer, second.answer) == (3, 1)
    assert second.asked.endswith("答案：")


def test_files_in_other_encodings_and_in_archives_are_read_without_unpacking(tmp_path: Path) -> None:
    laid(tmp_path / "gbk", CMMLU, "gbk")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr("../evil/test/law.csv", CEVAL["val/law_val.csv"])
    data = MMLU["test/high_school_geography_test.csv"].encode()
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        entry = tarfile.TarInfo("data/test/geography_test.csv")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))

    assert {one.id for one in read(tmp_path)} == {
        "gbk/agronomy/2", "gbk/agronomy/3", "../evil/law/2", "data/geography/1", "data/geography/2",
    }  # fmt: skip
    assert not (tmp_path.parent / "evil").exists()


def test_an_archive_beside_what_was_unpacked_of_it_adds_no_question(tmp_path: Path) -> None:
    laid(tmp_path / "cmmlu", CMMLU)
    with zipfile.ZipFile(tmp_path / "cmmlu.zip", "w") as packed:
        for name, text in CMMLU.items():
            packed.writestr(name, text)
        packed.writestr("test/law.csv", "哪个？,甲,乙,丙,丁,C\n")

    assert [one.id for one in read(tmp_path)] == ["cmmlu/agronomy/2", "cmmlu/agronomy/3", "law/1"]


def test_two_sets_may_have_a_subject_of_the_same_name(tmp_path: Path) -> None:
    laid(tmp_path / "mmlu", {"test/law_test.csv": "Which?,a,b,c,d,A\n", "dev/law_dev.csv": "What?,a,b,c,d,B\n"})
    laid(tmp_path / "cmmlu", {"test/law.csv": "哪个？,甲,乙,丙,丁,C\n", "dev/law.csv": "什么？,甲,乙,丙,丁,D\n"})

    assert {one.id: one.shots[0].question for one in read(tmp_path)} == {
        "mmlu/law/1": "What?",
        "cmmlu/law/1": "什么？",
    }


def test_what_macos_puts_beside_files_is_no_set(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr("test/a.csv", "What?,a,b,c,d,B\n")
        packed.writestr("__MACOSX/test/._a.csv", b"\x00\x05\x16\x07\xb0")

    assert [one.id for one in read(tmp_path)] == ["a/1"]


def test_a_folder_of_files_that_say_no_split_is_asked_whole(tmp_path: Path) -> None:
    laid(tmp_path, {"mine.csv": "What?,a,b,c,d,B\n"})

    assert [one.id for one in read(tmp_path)] == ["mine/1"]


def test_a_part_is_always_the_same_part(tmp_path: Path) -> None:
    laid(tmp_path, {"test/a.csv": "".join(f"What is {n}?,a,b,c,d,B\n" for n in range(50))})
    some = read(tmp_path, limit=10)

    assert len(some) == 10
    assert some == read(tmp_path, limit=10)
    assert len(read(tmp_path, limit=500)) == 50


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no CSV file"),
        ({"test/a.csv": "What?,a,b,c,B\n"}, "test/a.csv, row 1, has 5 columns"),
        ({"test/a.csv": "What?,a,b,c,d,E\n"}, "test/a.csv, row 1: the answer is 'E'"),
        ({"test/a.csv": "question,A,B,C,D,answer\nWhat?,a\n"}, "test/a.csv, row 2, has 2 columns"),
        ({"test/a.csv": "id,question,A,B,C,D\n0,What?,a,b,c,d\n"}, "no question of the set has an answer"),
        ({"test/a.csv": "x" * 200_000}, "a.csv is no CSV"),
    ],
)
def test_what_is_no_set_is_told(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidDataset, match=sentence):
        read(laid(tmp_path, files))


def test_a_broken_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK nothing")
    with pytest.raises(InvalidDataset, match=r"set.zip cannot be read"):
        csv_files(tmp_path)


def test_an_archive_that_is_cut_off_or_changed_is_told(tmp_path: Path) -> None:
    data = "".join(f"What is {n}?,a,b,c,d,B\n" for n in range(500)).encode()
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("test/a.csv")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    whole = (tmp_path / "set.tar.gz").read_bytes()
    for damaged in (whole[:-200], whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:]):  # its end, its checksum
        (tmp_path / "set.tar.gz").write_bytes(damaged)
        with pytest.raises(InvalidDataset, match=r"set.tar.gz cannot be read"):
            csv_files(tmp_path)


def test_an_archive_with_a_password_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr("test/a.csv", "What?,a,b,c,d,B\n")
    data = bytearray((tmp_path / "set.zip").read_bytes())
    for at in (data.find(b"PK\x03\x04") + 6, data.find(b"PK\x01\x02") + 8):
        data[at] |= 1  # says that it is encrypted
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(InvalidDataset, match=r"set.zip cannot be read"):
        csv_files(tmp_path)


@pytest.fixture(scope="module")
def scorer(smollm2_folder: Path) -> Scorer:
    return Scorer(load(smollm2_folder), AutoTokenizer.from_pretrained(smollm2_folder))


def by_hand(scorer: Scorer, prompt: str, choice: str) -> float:
    """The whole text read at once; the sum over the choice's tokens."""
    model: Any = scorer._model
    prompt_ids, ids = scorer._ids(prompt), scorer._ids(prompt + choice)
    with torch.inference_mode():
        logits = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1)
    return float(sum(logits[at - 1, ids[at]] for at in range(len(prompt_ids), len(ids))))


def test_a_models_log_likelihoods_are_those_of_the_letters(scorer: Scorer) -> None:
    prompt = "The capital of France is:\nA. Paris\nB. Rome\nAnswer:"
    scores = scorer.scores("", [], prompt, [" A", " B"])

    assert scores == pytest.approx([by_hand(scorer, prompt, " A"), by_hand(scorer, prompt, " B")], abs=0.1)


def test_choices_of_several_tokens_are_summed(scorer: Scorer) -> None:
    scores = scorer.scores("", [], "The capital of France is", [" Paris", " a bag of wet sand"])

    expected = by_hand(scorer, "The capital of France is", " a bag of wet sand")
    assert scores[1] == pytest.approx(expected, abs=0.3)  # bfloat16, in which the length of a text makes a difference
    assert scores[0] > scores[1]


def test_examples_that_do_not_fit_are_left_out(scorer: Scorer) -> None:
    short = Scorer(scorer._model, scorer._tokenizer, context=40)
    asked, choices = "The capital of France is", [" Paris", " Rome"]

    assert short.scores("Now. ", ["Yes. "] + ["Some example. " * 20] * 3, asked, choices) == pytest.approx(
        scorer.scores("Now. ", ["Yes. "], asked, choices)
    )


def test_int8_weights_are_those_that_score(scorer: Scorer, smollm2_folder: Path, tmp_path: Path) -> None:
    quantize_folder(smollm2_folder, tmp_path, progress=no_progress)
    int8 = Scorer(load(tmp_path), AutoTokenizer.from_pretrained(tmp_path))
    asked: tuple[str, list[str], str, list[str]] = ("", [], "The capital of France is", [" Paris", " Rome", " wet"])

    assert int8.scores(*asked) != scorer.scores(*asked)
    assert int8.scores(*asked) == pytest.approx(scorer.scores(*asked), abs=2.0)
