"""Questions asked ahead of the answers' use, so that the waits for them overlap."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from multiprocessing.pool import AsyncResult, ThreadPool
from typing import TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


def ahead(
    ask: Callable[[Q], A], questions: Iterable[Q], workers: int
) -> Generator[tuple[Q, Callable[[], A]], None, None]:
    """Each question, in order, with a call that gives its answer or raises what asking raised.

    As many are under way as it takes not to wait for them, at most as there are workers. Where answers come at once,
    nothing is asked before its answer is called for, since a worker's work would only be in the way of their use; once
    that took more waiting than work, one at least is always under way. One worker never asks ahead. Close it when done:
    what is under way then is not waited for.
    """
    if workers == 1:
        yield from ((question, partial(ask, question)) for question in questions)
        return
    depth, waited = workers, 0.0

    def now(question: Q) -> A:
        nonlocal depth, waited
        began, before = time.monotonic(), time.thread_time()
        try:
            return ask(question)
        finally:
            took, worked = time.monotonic() - began, time.thread_time() - before
            waited = 0.9 * waited + took - 2 * worked  # by how much longer than it worked, of late
            if waited > 0:
                depth = workers

    with ThreadPool(workers) as pool:
        under_way: deque[tuple[Q, AsyncResult[A]]] = deque()
        for question in questions:
            if not depth:
                yield question, partial(now, question)
                continue
            under_way.append((question, pool.apply_async(ask, (question,))))
            if not under_way[0][1].ready():
                depth = workers  # it will be waited for: the others go out before
            while len(under_way) > depth:
                if depth > int(waited > 0) and under_way[-2][1].ready():
                    depth -= 1  # all of them were there before they were called for: they only fill the memory
                question, answer = under_way.popleft()
                yield question, answer.get
        yield from ((question, answer.get) for question, answer in under_way)
