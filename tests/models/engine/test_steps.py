"""What happens between two steps of the model: no model here, and no clock but the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.requests import Failed, Finished, TimedOut
from models.engine.scheduler import ROW_MULTIPLE, EngineLimits
from models.engine.steps import Work
from models.errors import OutOfMemory, QueueFull, RequestTooLarge
from tests.models.engine.fakes import Asked, Bench


def test_a_request_gets_its_tokens_and_one_end() -> None:
    bench = Bench()
    asked = bench.ask(prompt=3, max_tokens=4)
    bench.run_dry()
    assert asked.tokens == [13, 14, 15, 16]
    assert asked.end == Finished("length", 4)
    assert bench.runner.open_slots == set()


def test_a_stop_token_ends_an_answer_and_is_not_sent() -> None:
    bench = Bench()
    asked = bench.ask(prompt=3, max_tokens=9, stop_ids=frozenset({15}))
    bench.run_dry()
    assert asked.tokens == [13, 14]
    assert asked.end == Finished("stop", 2)


def test_requests_join_a_running_batch_and_leave_it() -> None:
    bench = Bench()
    long = bench.ask(max_tokens=12)
    bench.turn(3)
    short = bench.ask(max_tokens=2)
    bench.run_dry()
    assert short.end == Finished("length", 2)
    assert long.end == Finished("length", 12)
    assert [len(batch) for batch in bench.runner.batches] == [1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1]


def test_a_long_prompt_is_read_in_pieces_while_running_answers_move() -> None:
    bench = Bench(limits=EngineLimits(min_piece=10, max_piece=10))
    running = bench.ask(max_tokens=50)
    bench.turn()
    late = bench.ask(prompt=35, max_tokens=1)
    before = len(running.tokens)
    while late.end is None:
        bench.turn()
    pieces = [[len(work.ids) for work in batch] for batch in bench.runner.batches[1:]]
    assert pieces == [[1, 10], [1, 10], [1, 10], [1, 5]]
    assert len(running.tokens) == before + 4


def test_only_the_last_piece_of_a_prompt_asks_for_a_token() -> None:
    bench = Bench(limits=EngineLimits(min_piece=16, max_piece=16))
    bench.ask(prompt=40, max_tokens=1)
    bench.run_dry()
    assert [batch[0].wants_token for batch in bench.runner.batches] == [False, False, True]
    assert [batch[0].start for batch in bench.runner.batches] == [0, 16, 32]


def test_pieces_grow_with_the_speed_of_the_model() -> None:
    slow, fast = Bench(step_s=1.0), Bench(step_s=0.001)
    for bench in (slow, fast):
        bench.ask(prompt=3000, max_tokens=1)
        bench.run_dry()
    assert max(len(batch[0].ids) for batch in slow.runner.batches[1:]) < 64
    assert max(len(batch[0].ids) for batch in fast.runner.batches[1:]) == EngineLimits().max_piece


def test_steps_that_read_a_prompt_come_in_few_widths() -> None:
    bench = Bench(step_s=0.25)
    running = [bench.ask(max_tokens=200) for _ in range(3)]
    bench.turn(3)
    bench.ask(prompt=700, max_tokens=1)
    bench.turn(4)
    widths = {sum(len(work.ids) for work in batch) for batch in bench.runner.batches[3:]}
    assert all(width % ROW_MULTIPLE == 0 for width in widths)
    assert all(one.end is None for one in running)


def test_what_the_runner_knows_of_a_prompt_is_not_read_again() -> None:
    bench = Bench(cached=30)
    bench.ask(prompt=40, max_tokens=1)
    bench.run_dry()
    assert [(work.start, len(work.ids)) for batch in bench.runner.batches for work in batch] == [(30, 10)]
    assert bench.notes.requests[0].cached_tokens == 30


def test_the_prompt_is_remembered_once_it_is_read_and_the_answer_with_it_in_the_end() -> None:
    bench = Bench()
    bench.ask(prompt=3, max_tokens=3)
    bench.run_dry()
    assert bench.runner.remembered == [[10, 11, 12], [10, 11, 12, 13, 14]]


def test_a_full_batch_lets_the_others_wait() -> None:
    bench = Bench(limits=EngineLimits(max_running=2))
    asked = [bench.ask(max_tokens=5) for _ in range(4)]
    bench.turn(3)
    load = bench.steps.load()
    assert (load.running, load.waiting) == (2, 2)
    bench.run_dry()
    assert all(one.end == Finished("length", 5) for one in asked)
    assert max(len(batch) for batch in bench.runner.batches) == 2


def test_tokens_in_flight_are_bounded() -> None:
    bench = Bench(limits=EngineLimits(max_tokens_in_flight=20))
    asked = [bench.ask(prompt=6, max_tokens=4) for _ in range(5)]
    highest = 0
    while bench.steps.has_work():
        bench.turn()
        highest = max(highest, bench.steps.load().tokens_in_flight)
    assert highest == 20
    assert all(one.end == Finished("length", 4) for one in asked)


def test_a_request_that_never_fits_is_refused_at_once() -> None:
    bench = Bench(limits=EngineLimits(max_tokens_in_flight=20))
    with pytest.raises(RequestTooLarge, match="LARKWISE_LLM_MAX_TOKENS_IN_FLIGHT"):
        bench.ask(prompt=10, max_tokens=11)


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    bench = Bench(limits=EngineLimits(max_running=1, max_waiting=2))
    bench.ask(max_tokens=50)
    bench.turn()
    for _ in range(2):
        bench.ask()
    with pytest.raises(QueueFull, match="2 requests are waiting") as full:
        bench.ask()
    assert full.value.retry_after_s >= 1


def test_one_users_flood_does_not_lock_the_others_out() -> None:
    bench = Bench(limits=EngineLimits(max_running=1, max_waiting=50))
    flood = [bench.ask(user="many", max_tokens=3) for _ in range(50)]
    bench.turn()
    single = bench.ask(user="one", max_tokens=3)
    while single.end is None:
        bench.turn()
    assert sum(one.end is not None for one in flood) == 1


def test_users_take_turns() -> None:
    bench = Bench(limits=EngineLimits(max_running=1))
    asked = {user: [bench.ask(user=user, max_tokens=1) for _ in range(3)] for user in ("a", "b", "c")}
    order: list[str] = []
    while bench.steps.has_work():
        bench.turn()
        done = [user for user, ones in asked.items() for one in ones if one.end is not None]
        order += [user for user in asked if done.count(user) > order.count(user)]
    assert order == ["a", "b", "c", "a", "b", "c", "a", "b", "c"]


def test_cancelling_frees_the_slot_within_one_step() -> None:
    bench = Bench()
    asked = bench.ask(max_tokens=500)
    bench.turn(3)
    asked.sequence.cancelled.set()
    bench.turn()
    assert asked.end == Finished("cancelled", 3)
    assert bench.runner.open_slots == set()
    assert len(bench.runner.batches) == 3


def test_a_request_that_waits_can_be_cancelled_too() -> None:
    bench = Bench(limits=EngineLimits(max_running=1))
    first, second = bench.ask(max_tokens=3), bench.ask()
    bench.turn()
    second.sequence.cancelled.set()
    bench.run_dry()
    assert first.end == Finished("length", 3)
    assert second.end == Finished("cancelled", 0)


def test_each_time_limit_is_told_by_its_name() -> None:
    bench = Bench(limits=EngineLimits(max_running=1, min_piece=1, max_piece=1), step_s=1.0)
    reads_long = bench.ask(prompt=30, first_token_timeout_s=10)
    waits_long = bench.ask(queue_timeout_s=5)
    bench.run_dry()
    assert reads_long.end == TimedOut("first token", 0)
    assert waits_long.end == TimedOut("waiting", 0)

    writes_long = bench.ask(max_tokens=100, timeout_s=20, first_token_timeout_s=10, queue_timeout_s=1)
    bench.run_dry()
    assert isinstance(writes_long.end, TimedOut)
    assert writes_long.end.phase == "whole answer"
    assert writes_long.end.completion_tokens == len(writes_long.tokens) > 10


def test_no_memory_for_one_request_is_its_own_error() -> None:
    bench = Bench(room=1)
    fits, does_not = bench.ask(max_tokens=9), bench.ask()
    bench.run_dry()
    assert fits.end == Finished("length", 9)
    assert isinstance(does_not.end, Failed)
    assert isinstance(does_not.end.error, OutOfMemory)


def test_a_runner_that_raises_fails_the_request_it_raises_for_and_no_other() -> None:
    def is_bad(work: Work) -> bool:
        return work.slot == 2 and work.start > 4

    bench = Bench(fails=is_bad)
    asked = [bench.ask(max_tokens=9) for _ in range(3)]
    bench.run_dry()
    assert isinstance(asked[1].end, Failed)
    assert [asked[0].tokens, asked[2].tokens] == [[13, 14, 15, 16, 17, 18, 19, 20, 21]] * 2
    assert bench.runner.open_slots == set()


def test_the_observer_hears_of_every_step_and_request() -> None:
    bench = Bench(step_s=0.5)
    bench.ask(prompt=3, max_tokens=4)
    bench.run_dry()
    assert [(step.prompt_tokens, step.completion_tokens) for step in bench.notes.steps] == [(3, 1), *[(0, 1)] * 3]
    facts = bench.notes.requests[0]
    assert (facts.outcome, facts.prompt_tokens, facts.completion_tokens) == ("length", 3, 4)
    assert (facts.first_token_s, facts.total_s) == (0.5, 2.0)


@st.composite
def _scripts(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """What people do: ask, cancel one of those they asked, let time pass."""
    action = st.tuples(st.sampled_from(["ask", "cancel", "turn", "wait"]), st.integers(0, 30), st.integers(0, 30))
    return draw(st.lists(action, max_size=60))


@given(script=_scripts(), failing=st.integers(0, 12), room=st.integers(1, 6))
def test_whatever_people_do_every_request_ends_once_and_every_slot_is_free(
    script: list[tuple[str, int, int]], failing: int, room: int
) -> None:
    limits = EngineLimits(max_running=3, max_waiting=5, max_tokens_in_flight=60, min_piece=1, max_piece=7)
    bench = Bench(limits=limits, room=room, fails=lambda work: failing > 0 and work.slot % 13 == failing)
    asked: list[Asked] = []
    for action, a, b in script:
        if action == "ask":
            times = {"queue_timeout_s": 2.0, "first_token_timeout_s": 1.0, "timeout_s": 3.0} if b % 3 else {}
            try:
                asked.append(
                    bench.ask(1 + a, 1 + b, user=f"user {a % 3}", stop_ids=frozenset({10 + a + b // 2}), **times)
                )
            except (QueueFull, RequestTooLarge):
                continue
        elif action == "cancel" and asked:
            asked[a % len(asked)].sequence.cancelled.set()
        elif action == "turn":
            bench.turn()
        else:
            bench.clock.now += a / 10
        load = bench.steps.load()
        assert load.running <= limits.max_running
        assert load.tokens_in_flight <= limits.max_tokens_in_flight
    bench.run_dry()
    for one in asked:
        ends = [event for event in one.events if isinstance(event, Finished | TimedOut | Failed)]
        assert len(ends) == 1
        assert one.end == ends[0]
        start = 10 + len(one.sequence.request.prompt_ids)
        assert one.tokens == list(range(start, start + len(one.tokens)))
    assert bench.runner.open_slots == set()
    load = bench.steps.load()
    assert (load.running, load.waiting, load.tokens_in_flight) == (0, 0, 0)
    assert len(bench.notes.requests) == len(asked)
