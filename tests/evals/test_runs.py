"""Files of what a run found, and two of them compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from evals import compare_answers, compare_retrieval
from evals.cli import commands
from evals.compare import compared
from evals.errors import InvalidSet, NothingToCompare, OtherRun
from evals.records import ANSWERS
from evals.retrieval_records import RETRIEVAL
from evals.runs import Facts, Kind, Line, append, begin, kind_of, read
from tests.evals.made import FACTS, RETRIEVAL_FACTS, answered, found


def run(file: Path, kind: Kind[Any, Any], facts: Facts, *lines: Line) -> Path:
    begin(file, kind, facts)
    for line in lines:
        append(file, line)
    return file


def asked(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["compare", *map(str, arguments)], catch_exceptions=False)


def test_a_run_goes_on_with_what_it_had(tmp_path: Path) -> None:
    file = tmp_path / "a" / "answers.jsonl"
    assert begin(file, ANSWERS, FACTS) == []
    append(file, answered(1))

    assert begin(file, ANSWERS, FACTS) == [answered(1)]


def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    file = run(tmp_path / "answers.jsonl", ANSWERS, FACTS, answered(1))
    with file.open("a") as lines:
        lines.write('{"id": "q2", "ques')

    assert begin(file, ANSWERS, FACTS) == [answered(1)]
    append(file, answered(2))
    assert read(file, ANSWERS)[1] == [answered(1), answered(2)]


def test_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    file = run(tmp_path / "answers.jsonl", ANSWERS, FACTS)

    with pytest.raises(OtherRun, match="another chain, quantization: give another --out"):
        begin(file, ANSWERS, FACTS.model_copy(update={"quantization": "int8", "chain": "plain"}))


@pytest.mark.parametrize("text", ["hello\n", "", "[]\n", "7"])
def test_another_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)

    with pytest.raises(InvalidSet, match="eval answers --out"):
        read(tmp_path / "x", ANSWERS)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSet, match="cannot be read"):
        read(tmp_path / "x", ANSWERS)


def test_a_file_of_an_earlier_version_is_told_by_what_it_does_not_say(tmp_path: Path) -> None:
    facts = FACTS.model_dump(exclude={"kind", "chain"})
    (tmp_path / "old").write_text(json.dumps(facts) + "\n")

    with pytest.raises(InvalidSet, match=r"old, line 1, does not say chain: an earlier version of larkwise wrote it\."):
        begin(tmp_path / "old", ANSWERS, FACTS)


def test_so_is_an_answer_of_an_earlier_version(tmp_path: Path) -> None:
    file = run(tmp_path / "old", ANSWERS, FACTS)
    with file.open("a") as lines:
        lines.write(json.dumps(answered(1).model_dump(exclude={"retrieved", "citations"})) + "\n")

    with pytest.raises(InvalidSet, match="line 2, does not say retrieved, citations"):
        read(file, ANSWERS)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = run(tmp_path / "x", ANSWERS, FACTS)
    with file.open("a") as lines:
        lines.write("{\n")

    with pytest.raises(InvalidSet, match="line 2, is damaged"):
        read(file, ANSWERS)


def test_the_first_line_says_of_what_command_a_file_is(tmp_path: Path) -> None:
    file = run(tmp_path / "r", RETRIEVAL, RETRIEVAL_FACTS)

    assert kind_of(file) == "retrieval"
    with pytest.raises(InvalidSet, match="of `larkwise eval retrieval`, and not of `larkwise eval answers`"):
        begin(file, ANSWERS, FACTS)


def test_answers_are_compared_question_by_question() -> None:
    refused = {"answerable": False, "refused": True}
    before = [answered(n, contains=n < 8) for n in range(10)] + [answered(10, **refused)]
    after = [answered(n, contains=2 <= n < 9) for n in range(10)] + [answered(10, answerable=False)]

    both = compare_answers.compared((FACTS, before), (FACTS, [*after, answered(99)]))

    assert (both.n, both.unpaired, both.same) == (11, 1, 11)
    assert both.contains is not None
    assert (both.contains.before, both.contains.after) == (0.8, 0.7)
    assert (both.contains.lost, both.contains.won, both.contains.n) == (2, 1, 10)
    assert both.contains.loss == pytest.approx(10)
    assert both.contains.loss_bound > 10
    assert both.right is not None
    assert (both.right.lost, both.right.won) == (3, 1)
    assert both.refused_unanswerable is not None
    assert both.refused_unanswerable.lost == 1


def test_a_set_without_unanswerable_questions_has_no_refusals() -> None:
    same = (FACTS, [answered(1)])
    assert compare_answers.compared(same, same).refused_unanswerable is None


def test_rankings_are_compared_by_recall_and_reciprocal_rank() -> None:
    before = [found(1, [1]), found(2, [2]), found(3, []), found(4, [5]), found(5, wanted=0), found(6, answerable=False)]
    after = [found(1, [3]), found(2, [1]), found(3, [4]), found(4, []), found(5, [1]), found(6, answerable=False)]

    both = compare_retrieval.compared((RETRIEVAL_FACTS, before), (RETRIEVAL_FACTS, after))

    assert (both.n, both.unpaired, both.without_gold_chunk) == (5, 0, 1)
    assert both.recall_at_1 is not None
    assert (both.recall_at_1.lost, both.recall_at_1.won, both.recall_at_1.n) == (1, 1, 4)
    assert both.recall_at_5 is not None
    assert (both.recall_at_5.before, both.recall_at_5.after) == (0.75, 0.75)
    assert both.mrr is not None
    assert both.mrr.before == pytest.approx((1 + 1 / 2 + 0 + 1 / 5) / 4)
    assert both.mrr.after == pytest.approx((1 / 3 + 1 + 1 / 4 + 0) / 4)
    assert both.mrr.loss == pytest.approx(100 * (both.mrr.before - both.mrr.after))


def test_rankings_without_any_gold_chunk_have_nothing_to_compare() -> None:
    nothing = (RETRIEVAL_FACTS, [found(1, wanted=0)])
    both = compare_retrieval.compared(nothing, nothing)
    assert (both.recall_at_1, both.recall_at_5, both.mrr, both.deciding) == (None, None, None, None)


def test_runs_without_a_common_question_cannot_be_compared() -> None:
    with pytest.raises(NothingToCompare):
        compare_answers.compared((FACTS, [answered(1)]), (FACTS, [answered(2)]))


def test_answers_are_not_compared_with_rankings(tmp_path: Path) -> None:
    one = run(tmp_path / "a", ANSWERS, FACTS, answered(1))
    other = run(tmp_path / "r", RETRIEVAL, RETRIEVAL_FACTS, found(1))

    with pytest.raises(NothingToCompare, match="compare two of a kind"):
        compared(one, other)
    assert asked(one, other).exit_code == 1


def test_the_command_tells_by_itself_what_it_compares(tmp_path: Path) -> None:
    answers = run(tmp_path / "a", ANSWERS, FACTS, answered(1))
    rankings = run(tmp_path / "r", RETRIEVAL, RETRIEVAL_FACTS, found(1, [2]))

    assert json.loads(asked("--json", answers, answers).stdout)["same"] == 1
    report = json.loads(asked("--json", rankings, rankings).stdout)
    assert (report["n"], report["recall@1"]["before"], report["recall@5"]["p"]) == (1, 0.0, 1.0)
    assert report["mrr@10"]["after"] == 0.5
    assert "| right chunk: mrr@10 | 0.500 | 0.500 | +0.0 | +0.0 |  |  | 1 |" in asked(rankings, rankings).stdout


def test_too_much_loss_is_exit_code_1(tmp_path: Path) -> None:
    rankings = run(tmp_path / "r", RETRIEVAL, RETRIEVAL_FACTS, found(1, [1]))
    result = asked(rankings, rankings, "--max-loss", 3)

    assert result.exit_code == 1  # one question proves nothing
    assert "points may be lost" in result.stderr
