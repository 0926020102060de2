"""Questions asked ahead."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_stock_prices.ahead import ahead


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_it_gives_every_answer_in_the_order_of_the_questions(questions: list[int], workers: int) -> None:
    """Records come out as if asked one by one, whoever was quicker."""
    assert [(question, answer()) for question, answer in ahead(lambda n: n * 2, questions, workers)] == [
        (question, question * 2) for question in questions
    ]


def test_it_has_as_many_questions_under_way_as_workers() -> None:
    """The waits overlap, and no more requests are in the air than the user allows."""
    together, most = threading.Barrier(3, timeout=10), []

    def ask(_: int) -> None:
        most.append(together.wait())

    for _, answer in ahead(ask, range(9), 3):
        answer()
    assert sorted(most) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def _without_threads(monkeypatch: pytest.MonkeyPatch, clock: Any, ready: Callable[[], bool]) -> list[int]:
    """The questions handed to workers: their answers are there when `ready` says so, and are made when called for."""
    handed: list[int] = []

    class Pool(nullcontext[Any]):
        def __enter__(self) -> Any:
            return self

        def apply_async(self, ask: Any, arguments: Any) -> Any:
            handed.extend(arguments)
            return SimpleNamespace(ready=ready, get=partial(ask, *arguments))

    monkeypatch.setattr("source_stock_prices.ahead.ThreadPool", lambda workers: Pool())
    monkeypatch.setattr("source_stock_prices.ahead.time", clock)
    return handed


@pytest.mark.parametrize(
    ("quick", "waits", "ahead_of_use"),
    [
        (0, 0.9, [4] * 11),
        (3, 0.9, [4, 3, 2, 1, 4, 4, 4, 4, 4, 4, 4]),
        (20, 0.4, [4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0]),
        (20, 0.5, [4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0]),
        (20, 0.6, [4, 3, 2, 1, 0, 0, 4, 3, 2, 1, 1]),
    ],
)
def test_it_asks_as_far_ahead_as_it_takes_not_to_wait(
    monkeypatch: pytest.MonkeyPatch, quick: int, waits: float, ahead_of_use: list[int]
) -> None:
    """Answers that are there before they are called for would only fill the memory, and the work on them be in the way.

    `quick` is how many are; `waits` is the share of waiting in what asking takes.
    """
    clock = SimpleNamespace(monotonic=lambda: 0.0 + len(answered), thread_time=lambda: len(answered) * (1 - waits))
    asked: list[int] = []
    answered: list[int] = []
    depths: list[int] = []

    def questions() -> Iterator[int]:
        for n in range(20):
            asked.append(n)
            yield n

    _without_threads(monkeypatch, clock, lambda: len(depths) < quick)
    for used, (_, answer) in islice(enumerate(ahead(answered.append, questions(), 4), 1), 11):
        depths.append(len(asked) - used)
        answer()
    assert depths == ahead_of_use


def test_it_soon_asks_ahead_again_when_answers_grow_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long they came at once before: a long sync does not go on one by one."""
    now = SimpleNamespace(monotonic=0.0, thread_time=0.0)

    def ask(n: int) -> None:
        now.monotonic += 1 if n < 1000 else 3
        now.thread_time += 1
        if n == 1001:
            raise ZeroDivisionError

    clock = SimpleNamespace(monotonic=lambda: now.monotonic, thread_time=lambda: now.thread_time)
    under_way = _without_threads(monkeypatch, clock, lambda: True)
    for n, answer in ahead(ask, range(1020), 2):
        with pytest.raises(ZeroDivisionError) if n == 1001 else nullcontext():
            answer()
    assert under_way[:3] == [0, 1, 2]
    assert 1001 < under_way[3] < 1010


def test_it_asks_nothing_ahead_with_one_worker() -> None:
    """Strictly one at a time: no request is spent that its answer's turn does not come for."""
    asked: list[int] = []
    calls = ahead(asked.append, [1, 2, 3], 1)
    next(calls)[1]()
    next(calls)
    assert asked == [1]


@pytest.mark.parametrize("workers", [1, 4])
def test_it_raises_a_failure_at_its_turn(workers: int) -> None:
    """A failure in one worker neither loses nor reorders the others."""
    calls = ahead(lambda n: 1 / n, [1, 2, 0, 4], workers)
    assert [next(calls)[1]() for _ in range(2)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(calls)[1]()
    calls.close()


def test_it_ends_its_workers_when_closed() -> None:
    """A sync that stops in the middle leaves no thread behind."""
    calls = ahead(lambda n: n, range(100), 4)
    next(calls)
    calls.close()
    for thread in [thread for thread in threading.enumerate() if "worker" in thread.name]:
        thread.join(5)
    assert not [thread for thread in threading.enumerate() if "worker" in thread.name]
