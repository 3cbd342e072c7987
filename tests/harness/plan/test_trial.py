"""What is chosen for a folder of images and a number of minutes: within them, at sizes that there are."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.execution.families import fewest_seeds
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.trial import FAMILIES, KEEP, PASSES, SIZES, VISITS, Seen, choose, passes_for, table_of
from selbench.strategies import UsageError

SEEN = Seen(train=900, test=230, classes=20, smallest=30, side=128, split=0.2)
folders = st.builds(
    Seen,
    train=st.integers(60, 200_000),
    test=st.integers(20, 20_000),
    classes=st.integers(2, 100),
    smallest=st.just(3),
    side=st.integers(8, 4000),
    split=st.sampled_from([None, 0.2]),
)


def pace(per_image):
    """Seconds of an image that grow with its pixels and the net's width, as they do."""
    return lambda size: (
        per_image * (size.resolution / 16) ** 2 * size.width / 8 * (3 if size.learner == "resnet18" else 1)
    )


@given(folders, st.floats(0.5, 600), st.integers(1, 64), st.floats(1e-6, 1e-2))
def test_the_first_look_is_within_the_minutes_and_sizes_are_valid(seen, minutes, workers, per_image):
    try:
        trial = choose(seen, minutes, workers, pace(per_image))
    except UsageError as error:
        longer = int(re.search(r"needs --minutes (\d+)", str(error))[1])
        assert longer > minutes
        assert choose(seen, longer, workers, pace(per_image)).seconds <= 60 * longer + 1e-6
        return
    assert trial.seconds <= 60 * minutes + 1e-6
    assert PASSES[0] <= trial.passes and trial.passes >= passes_for(round(0.9 * trial.train)) - 1
    assert trial.train == seen.train or trial.train * PASSES[0] >= VISITS
    assert 8 <= trial.size.resolution <= max(8, seen.side) and trial.size.resolution % 8 == 0
    matrix = parse(table_of(trial, seen, "try-it", "it", "PATH"))
    assert (
        len(matrix.analysis.primary) == len(trial.rules.names) and matrix.seed_list()[-1] + 1 == trial.rules.looks[-1]
    )


def test_more_time_gives_no_smaller_net_and_the_steps_timed_are_few():
    asked = []

    def timed(size):
        asked.append(size)
        return pace(3e-4)(size)

    chosen = [choose(SEEN, minutes, 2, pace(3e-4)) for minutes in (20, 60, 240)]
    places = [SIZES.index(trial.size) for trial in chosen]
    assert places == sorted(places) and places[0] < places[-1]
    choose(SEEN, 60, 2, timed)
    assert len(asked) == len(set(asked)) == places[1] + 2, "the sizes that fit, and the first that does not, once each"


def test_each_family_can_be_decided_at_its_first_look():
    for family in FAMILIES:
        looks = family.looks
        assert looks[0] >= fewest_seeds(0.05 / len(looks), len(family.names)) and looks == tuple(sorted(looks))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"train": 40}, "40 training and 230 test images are too few"), ({"smallest": 2}, "the smallest class has 2")],
)
def test_folders_that_can_say_nothing_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        choose(replace(SEEN, **change), 20, 2, pace(1e-4))


def test_the_matrix_collapses_below_chance_alone_where_there_are_two_classes():
    two = replace(SEEN, classes=2)
    entry = table_of(choose(two, 20, 2, pace(1e-4)), two, "try-it", "it", "PATH")["datasets"][0]
    assert 0.5 < entry["collapse"] < 0.6 and KEEP == 0.5
