from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.execution.executors.local import Local
from selbench.harness.execution.executors.queue import Queue, Turn
from selbench.harness.plan.tasks import Task
from selbench.strategies import UsageError


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 12))
    tasks = []
    for i in range(size):
        after = draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else []
        tasks.append(Task(str(i), "cell", "d", 0, after=tuple(map(str, after))))
    return tasks


@given(graphs(), st.data())
def test_every_task_ends_once_after_what_it_needs_and_a_failure_takes_only_its_dependants(tasks, data):
    queue, running, ended, failed = Queue(tasks), [], [], set()
    while True:
        while (task := queue.take()) is not None:
            assert set(task.after) <= set(ended) - failed
            running.append(task)
        if not running:
            break
        task = running.pop(data.draw(st.integers(0, len(running) - 1)))
        bad = data.draw(st.booleans())
        ended.append(task.id)
        if bad:
            failed.add(task.id)
        for lost in queue.done(task, failed=bad):
            assert failed & set(lost.after)
            failed.add(lost.id)
            ended.append(lost.id)
    assert sorted(ended) == sorted(t.id for t in tasks)
    for task in tasks:
        if not failed & set(task.after) and task.id in failed:
            assert task.id in ended


@given(graphs(), st.integers(0, 2**32))
def test_of_two_runs_each_takes_what_the_other_does_not_hold_and_nothing_is_done_twice(tasks, seed):
    chance = random.Random(seed)
    done, held, ended = set(), {}, []

    def admit(run):
        def turn(task):
            if held.get(task.id, run) != run:
                return Turn.HELD
            if task.id in done:
                return Turn.DONE
            held[task.id] = run
            return Turn.OURS

        return turn

    queues = [Queue(tasks, admit(run)) for run in (0, 1)]
    running = [[], []]
    while any(queues) or any(running):
        run = chance.randrange(2)
        # A queue made of a queue is the same one: executors make their own of what they are given.
        task = Queue(queues[run]).take()
        if task is not None:
            assert done.issuperset(task.after)
            running[run].append(task)
        elif running[run]:
            task = running[run].pop()
            ended.append(task.id)
            done.add(task.id)
            del held[task.id]
            queues[run].done(task, failed=False)
        elif queues[run]:
            startable = queues[run].startable()
            assert startable and all(task.id in held for task in startable), "it waits for nobody"
    assert sorted(ended) == sorted(task.id for task in tasks)


def test_limits_of_nothing_are_refused():
    for options in ({"workers": 0}, {"cell_limit": 0.0}, {"memory_limit": -1.0}):
        with pytest.raises(UsageError, match=r"must be more than 0|at least one"):
            Local(**options)
