"""Questions asked before their answers are needed, so that the waits for them overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from multiprocessing.pool import ThreadPool
from typing import TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


def prefetch(
    ask: Callable[[Q], A],
    questions: Iterable[Q],
    workers: int,
) -> Generator[tuple[Q, Callable[[], A]], None, None]:
    """Each question, in order, with a call that gives its answer or raises what asking raised.

    As many are under way at once as there are workers. One worker asks in this thread, when the answer is called for.
    Close the generator when done: what is under way then is not waited for.
    """
    if workers == 1:
        for question in questions:
            yield question, partial(ask, question)
        return
    with ThreadPool(workers) as pool:
        under_way: deque[tuple[Q, Callable[[], A]]] = deque()
        for question in questions:
            answer = pool.apply_async(ask, (question,))
            under_way.append((question, answer.get))
            if len(under_way) >= workers:
                yield under_way.popleft()
        while under_way:
            yield under_way.popleft()
