"""Laws about an instance as an object: rebuilt from its ``repr``, stopped and resumed, sent to a worker."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import Tensor

from .scenes import Scene
from .subject import Broken, NotJudged, Subject


def repr_rebuilds(subject: Subject) -> None:
    """``eval(repr(s))`` is the same rule with the same hyper-parameters."""
    strategy = subject.make()
    parameters = list(inspect.signature(type(strategy)).parameters)
    if not parameters:
        raise NotJudged("its constructor takes no hyper-parameters")
    for name in parameters:
        if not hasattr(strategy, name):
            raise Broken(f"hyper-parameter {name!r} is not kept: write self.{name} = {name} in __init__")
    for one in (strategy, *_changed(strategy, parameters)):
        written = repr(one)
        namespace = {**vars(sys.modules[type(one).__module__]), type(one).__name__: type(one)}
        try:
            again = eval(written, namespace)
        except Exception as error:
            raise Broken(
                f"repr gives {written}, which Python cannot evaluate: derive from selbench.strategies.Strategy, or "
                "write __repr__ as Name(parameter=value, ...)"
            ) from error
        for name in parameters:
            if type(again) is not type(one) or repr(getattr(again, name)) != repr(getattr(one, name)):
                raise Broken(
                    f"repr gives {written}, which does not bring back {name} = {getattr(one, name)!r}: "
                    "name every hyper-parameter in __repr__"
                )


def _changed(strategy: Any, parameters: list[str]) -> Iterator[Any]:
    """The same rule with one hyper-parameter changed, for each whose type tells of another value."""
    held = {name: getattr(strategy, name) for name in parameters}
    for name, value in held.items():
        other: Any = None
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, int):
            other = value + 1
        elif isinstance(value, float):
            other = value * 0.75 + 0.0625
        if other is None:
            continue
        try:
            yield type(strategy)(**{**held, name: other})
        except (TypeError, ValueError):
            continue  # the rule refuses this value


def state(subject: Subject) -> None:
    """A strategy that takes back its ``state_dict`` goes on as if it had never stopped."""
    first = subject.make()
    saves, loads = (callable(getattr(first, name, None)) for name in ("state_dict", "load_state_dict"))
    if saves != loads:
        raise Broken("it has one of state_dict and load_state_dict: write both, or neither")
    if not saves:
        raise NotJudged("it has no state_dict: a resumed run begins it anew")
    calls = [subject.scene(40, seed=seed) for seed in range(5)]
    first = subject.begun(calls[0])
    _step(subject, first, calls[0])
    kept = first.state_dict()
    _plain(kept, "state_dict()")
    kept = _copied(kept)
    second = subject.begun(calls[0], stream=8)
    for _ in range(2):  # another number of calls than the first has seen
        _step(subject, second, calls[1])
    try:
        second.load_state_dict(kept)
    except Exception as error:
        raise Broken(
            f"load_state_dict raised {type(error).__name__}: {error}; it must take what state_dict gave"
        ) from error
    for at in calls[2:]:
        if _step(subject, first, at) != _step(subject, second, at):
            raise Broken(
                "after load_state_dict it picks differently: state_dict must hold all that changes from call to "
                "call, the generator's state (generator.get_state()) included"
            )


def _step(subject: Subject, strategy: Any, at: Scene) -> list[int]:
    """One call, and the training step behind it."""
    picks = subject.select(strategy, at, 0.4)
    observe = getattr(strategy, "observe", None)
    if callable(observe):
        observe(at.signals["index"][picks.indices], at.signals["learner"][picks.indices] * 0.5)
    return picks.listed()


def _plain(value: Any, where: str) -> None:
    if value is None or isinstance(value, Tensor | bool | int | float | str):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise Broken(f"{where} has the key {key!r}: keys are strings")
            _plain(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            _plain(item, f"{where}[{i}]")
    else:
        raise Broken(
            f"{where} is a {type(value).__name__}: keep to tensors, numbers, strings, and lists and dicts of these"
        )


def _copied(value: Any) -> Any:
    """As if written and read: nothing shared with the instance that goes on."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value


def worker(subject: Subject) -> None:
    """A fresh instance survives the way to a worker process."""
    strategy = subject.make()
    try:
        # The way multiprocessing sends arguments, in memory: no file is written or read.
        arrived = ForkingPickler.loads(ForkingPickler.dumps(strategy))
    except Exception as error:
        raise Broken(
            f"it cannot be sent to a worker process: {error}; define its class at the top of a module, and keep "
            "lambdas, open files and generators out of __init__"
        ) from error
    at = subject.scene(40)
    begin = getattr(arrived, "begin", None)
    if callable(begin):
        begin(at.pool())
    if not torch.equal(subject.select(arrived, at, 0.4).indices, subject.fresh_picks(at, 0.4).indices):
        raise Broken("after the way to a worker process it picks differently: __getstate__ must keep every attribute")
