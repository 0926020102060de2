"""Questions asked before their answers are needed."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_stock_prices.prefetch import prefetch


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_it_gives_every_answer_in_the_order_of_the_questions(questions: list[int], workers: int) -> None:
    """Records come out as if asked one by one, whoever was quicker."""
    answers = [(question, answer()) for question, answer in prefetch(lambda n: n * 2, questions, workers)]
    assert answers == [(question, question * 2) for question in questions]


def test_it_has_as_many_questions_under_way_as_workers() -> None:
    """The waits overlap, and no more requests are in the air than the user allows."""
    together, places = threading.Barrier(3, timeout=10), []

    def ask(_: int) -> None:
        places.append(together.wait())

    for _, answer in prefetch(ask, range(9), 3):
        answer()
    assert sorted(places) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("workers", [2, 4])
def test_it_asks_no_further_ahead_than_its_workers(workers: int) -> None:
    """However quick the answers are: those that wait for their turn fill the memory."""
    asked: list[int] = []

    def questions() -> Iterator[int]:
        for n in range(20):
            asked.append(n)
            yield n

    ahead_of_use = []
    for used, (_, answer) in enumerate(prefetch(abs, questions(), workers), 1):
        ahead_of_use.append(len(asked) - used)
        answer()
    last = list(range(workers - 1, -1, -1))
    assert ahead_of_use == [workers - 1] * (20 - workers) + last


def test_it_asks_nothing_ahead_with_one_worker() -> None:
    """Strictly one at a time: no request is spent that its answer's turn does not come for."""
    asked: list[int] = []
    calls = prefetch(asked.append, [1, 2, 3], 1)
    _, answer = next(calls)
    answer()
    next(calls)
    assert asked == [1]


def test_it_asks_in_the_same_thread_with_one_worker() -> None:
    """A sync without threads is the one to debug."""
    threads = [answer() for _, answer in prefetch(lambda _: threading.current_thread(), [1, 2], 1)]
    assert threads == [threading.main_thread()] * 2


@pytest.mark.parametrize("workers", [1, 4])
def test_it_raises_a_failure_at_its_turn(workers: int) -> None:
    """A failure in one worker neither loses nor reorders the others."""
    answers: list[float] = []
    for question, answer in prefetch(lambda n: 1 / n, [1, 2, 0, 4], workers):
        with pytest.raises(ZeroDivisionError) if question == 0 else nullcontext():
            answers.append(answer())
    assert answers == [1, 0.5, 0.25]


def test_it_ends_its_workers_when_closed() -> None:
    """A sync that stops in the middle leaves no thread behind."""
    calls = prefetch(lambda n: n, range(100), 4)
    next(calls)
    calls.close()
    for thread in [thread for thread in threading.enumerate() if "worker" in thread.name]:
        thread.join(5)
    assert not [thread for thread in threading.enumerate() if "worker" in thread.name]
