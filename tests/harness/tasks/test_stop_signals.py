"""Signals are held back while a run ends its step, and obeyed then."""

from __future__ import annotations

import signal
import threading

import pytest

from selbench.harness.tasks.stop_signals import SIGNALS, StopSignals


class Stopped(Exception):
    """What the handler of before raises."""


@pytest.fixture(autouse=True)
def handlers():
    """Handlers that raise, and those of before afterwards."""

    def stop(number, _):
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    yield stop
    for number, was in before.items():
        signal.signal(number, was)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_at_once_and_obeyed_when_it_does_no_harm(handlers, number):
    told, seen = StopSignals(), []
    with pytest.raises(Stopped, match=str(int(number))), told.deferring():
        signal.raise_signal(number)
        seen.append(told.number)
        told.raise_deferred()
        seen.append("after")
    assert seen == [number]
    assert all(signal.getsignal(each) is handlers for each in SIGNALS)


def test_one_that_nobody_looked_at_is_obeyed_at_the_end(handlers):
    done = []
    with pytest.raises(Stopped), StopSignals().deferring():
        signal.raise_signal(signal.SIGTERM)
        done.append(True)
    assert done and signal.getsignal(signal.SIGTERM) is handlers


def test_a_failure_does_not_swallow_it():
    with pytest.raises(Stopped), StopSignals().deferring():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError


def test_a_second_one_counts_at_once():
    done = []
    with pytest.raises(Stopped, match=str(int(signal.SIGTERM))), StopSignals().deferring():
        signal.raise_signal(signal.SIGINT)
        done.append(True)
        signal.raise_signal(signal.SIGTERM)
        done.append(False)
    assert done == [True]


def test_in_a_worker_a_second_one_waits_as_well(handlers):
    """A scheduler signals all processes of a job, and the run then tells its workers to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told, done = StopSignals(), []
    with pytest.raises(Stopped), told.deferring():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        done.append(True)
        told.raise_deferred()
        done.append(False)
    assert done == [True]


def test_without_a_signal_nothing_happens(handlers):
    told = StopSignals()
    with told.deferring():
        told.raise_deferred()
    assert told.number is None and signal.getsignal(signal.SIGINT) is handlers


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = StopSignals()
    with told.deferring():
        signal.raise_signal(signal.SIGINT)
        assert told.number is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_thread_leaves_signals_alone(handlers):
    seen = []

    def work():
        with StopSignals().deferring():
            seen.append(signal.getsignal(signal.SIGTERM) is handlers)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
