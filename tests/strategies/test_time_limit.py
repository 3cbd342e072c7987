"""A plugin that does not come back before it is called is left where it is."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from selbench.strategies.time_limit import time_limit


def test_what_takes_too_long_is_ended_and_says_after_how_long():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not done after 0\.1 seconds"), time_limit(0.1):
        time.sleep(60)
    assert time.monotonic() - began < 30


def test_code_that_goes_on_whatever_is_raised_is_told_again():
    told = 0
    with pytest.raises(TimeoutError), time_limit(0.05):
        while True:
            try:
                time.sleep(60)
            except TimeoutError:
                told += 1
                if told == 2:
                    raise


def test_nothing_is_left_behind_where_it_ends_in_time():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_outer_limit_holds_after_an_inner_one():
    with pytest.raises(TimeoutError, match=r"0\.2"), time_limit(0.2):
        with time_limit(60):
            pass
        time.sleep(60)


def test_another_thread_goes_without():
    seen = []

    def work():
        with time_limit(0.01):
            time.sleep(0.1)
            seen.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0.0, 0.0)]
