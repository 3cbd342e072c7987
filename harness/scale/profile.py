"""A device in a few figures: what was measured on one machine, to be carried to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import tomli_w
import torch
from pydantic import Field

from ...strategies import UsageError, keep_count
from .. import toml as strict
from ..store.folder import write_bytes
from ..toml import StrictModel
from .costs import Affine, Cost, Costs, Measured, Scaled
from .madeup import begin, candidates
from .networks import Network
from .operations import Bench
from .rules import Rule

FLOAT = 4
"""Bytes of a feature."""


class Calls(StrictModel):
    """Seconds of ``select`` for one strategy at some numbers of candidates."""

    candidates: list[int] = Field(min_length=1)
    seconds: list[float] = Field(min_length=1)
    width: int = Field(0, ge=0)
    """Features d, where it reads them."""


class Profile(StrictModel):
    """A device.

    Parameters
    ----------
    name : str
    source : str
        Who measured it, with what and when: no figure without one.
    device : {"cpu", "cuda"}
        Some rules work otherwise on a GPU.
    train_flops_per_second, forward_flops_per_second : float
        Achieved in training, and in a forward pass without gradients.
    train_overhead, forward_overhead : float
        Seconds of a training step, and of a forward pass, that do not grow with the batch.
    view_seconds_per_pixel, view_overhead : float
        Of the augmented views, by value (channels times pixels).
    gather_seconds_per_byte, gather_overhead : float
        Of reading cached features.
    remember_seconds, step_overhead : float
        Of noting a step's losses, and of a step outside the phases.
    select_flops_per_second, select_overhead : float or None
        Of ``select`` for strategies that have no table of their own.
    select : dict of Calls
        By strategy, as its label stands in the workload.
    """

    name: str = Field(min_length=1)
    source: str = Field(min_length=10)
    device: Literal["cpu", "cuda"] = "cpu"
    precision: str = "float32"
    train_flops_per_second: float = Field(gt=0)
    forward_flops_per_second: float = Field(gt=0)
    train_overhead: float = Field(0.0, ge=0)
    forward_overhead: float = Field(0.0, ge=0)
    view_seconds_per_pixel: float = Field(0.0, ge=0)
    view_overhead: float = Field(0.0, ge=0)
    gather_seconds_per_byte: float = Field(0.0, ge=0)
    gather_overhead: float = Field(0.0, ge=0)
    remember_seconds: float = Field(0.0, ge=0)
    step_overhead: float = Field(0.0, ge=0)
    select_flops_per_second: float | None = Field(None, gt=0)
    select_overhead: float = Field(0.0, ge=0)
    select: dict[str, Calls] = Field(default_factory=dict)


def read(path: Path) -> Profile:
    """Read a profile.

    Raises
    ------
    UsageError
        For an unknown key, a missing source, or a figure that cannot be.
    """
    profile = strict.validate(Profile, strict.load(path), str(path))
    for label, calls in profile.select.items():
        if len(calls.candidates) != len(calls.seconds) or min(calls.candidates) < 1 or min(calls.seconds) <= 0:
            raise UsageError(f"{path}: select.{label}: candidates and seconds must be equally many positive numbers")
    return profile


def write(profile: Profile, path: Path) -> None:
    """Write a profile as TOML."""
    table = profile.model_dump(exclude_none=True)
    write_bytes(path, tomli_w.dumps(table).encode())


def profile_of(costs: Costs, bench: Bench, name: str, source: str, precision: str) -> Profile:
    """What was measured, in figures that other learners and batches can be priced by."""
    net = bench.learner
    fixed = {part: _fixed(getattr(costs, part)) for part in ("train", "score", "views", "gather", "other")}
    values, remember = net.channels * net.resolution**2, costs.remember
    tables = {
        label: Calls(candidates=list(cost.points), seconds=list(cost.points.values()), width=bench.width)
        for label, cost in costs.select.items()
        if isinstance(cost, Scaled)
    }
    return Profile(
        name=name,
        source=source,
        device="cuda" if bench.device.type == "cuda" else "cpu",
        precision=precision,
        train_flops_per_second=net.train / costs.train.slope,
        forward_flops_per_second=net.forward / costs.score.slope,
        train_overhead=fixed["train"],
        forward_overhead=fixed["score"],
        view_seconds_per_pixel=costs.views.slope / values,
        view_overhead=fixed["views"],
        gather_seconds_per_byte=costs.gather.slope / (FLOAT * max(1, bench.width)),
        gather_overhead=fixed["gather"],
        remember_seconds=remember.points[min(remember.points)] if isinstance(remember, Measured) else 0.0,
        step_overhead=fixed["other"],
        select=tables,
    )


def _fixed(cost: Cost) -> float:
    return cost.fit[0] if isinstance(cost, Measured) else 0.0


def costs_of(profile: Profile, bench: Bench, rules: list[Rule]) -> Costs:
    """The price list of a stated device: every figure is extrapolated from the profile.

    Raises
    ------
    UsageError
        Where the profile says nothing of a strategy's ``select``.
    """
    basis = f"extrapolated (from profile {profile.name})"
    net = bench.learner

    def affine(fixed: float, slope: float) -> Affine:
        return Affine(fixed, slope, basis)

    def forward(network: Network) -> Affine:
        return affine(profile.forward_overhead, network.forward / profile.forward_flops_per_second)

    return Costs(
        views=affine(profile.view_overhead, profile.view_seconds_per_pixel * net.channels * net.resolution**2),
        score=forward(net),
        train=affine(profile.train_overhead, net.train / profile.train_flops_per_second),
        gather=affine(profile.gather_overhead, profile.gather_seconds_per_byte * FLOAT * (bench.width + 1)),
        gather_losses=affine(profile.gather_overhead, profile.gather_seconds_per_byte * FLOAT),
        reference=None if bench.reference is None else forward(bench.reference),
        remember=affine(profile.remember_seconds, 0.0),
        other=affine(profile.step_overhead, 0.0),
        other_plain=affine(profile.step_overhead, 0.0),
        select={rule.label: _select(profile, bench, rule, basis) for rule in rules},
    )


def _select(profile: Profile, bench: Bench, rule: Rule, basis: str) -> Cost:
    _acquaint(profile, bench, rule)
    ratio = rule.schedule.mean()

    def flops(n: int) -> float:
        return rule.flops(n, keep_count(ratio, n))

    calls = profile.select.get(rule.label)
    if calls is not None:
        points = dict(zip(calls.candidates, calls.seconds, strict=True))
        if "features" in rule.traits.needs and calls.width not in (0, bench.width):
            measured = replace(rule, width=calls.width)
            points = {n: s * flops(n) / measured.flops(n, keep_count(ratio, n)) for n, s in points.items()}
        return Scaled(points, flops, basis)
    if profile.select_flops_per_second is None:
        raise UsageError(
            f"profile {profile.name!r} says nothing of select for {rule.label!r}: add [select.{rule.label}] with "
            "candidates and seconds, or select_flops_per_second"
        )
    rate = profile.select_flops_per_second
    sizes = [2**power for power in range(1, 24)]
    return Scaled({n: profile.select_overhead + max(flops(n), 1.0) / rate for n in sizes}, flops, basis)


def _acquaint(profile: Profile, bench: Bench, rule: Rule) -> None:
    """Show a rule one batch and the profile's device: some know their cost only from these."""
    size = 32
    feats, losses = candidates(bench.shape, rule.traits.needs, size, size // 2, bench.device)
    begin(rule.instance, bench.shape, feats, losses)
    with torch.no_grad():
        rule.instance.select(feats, losses, 0.5)
    begin(rule.instance, bench.shape, feats, losses, torch.device(profile.device))
