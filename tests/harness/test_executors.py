from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.executors import Queue
from selbench.harness.plan import Task


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
