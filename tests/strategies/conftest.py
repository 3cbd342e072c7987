"""What all tests of strategies share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from selbench.strategies.maths import spectral
from selbench.strategies.testing import conduct, waiting


@pytest.fixture(scope="session", autouse=True)
def few_lanczos_steps_on_fake_tensors() -> Iterator[None]:
    """One step calls the same operators as the next, and each takes a hundred times as long without data as with it."""
    run_fake = waiting.run_fake

    def shortened(*given: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spectral, "STEPS", 3)
            return run_fake(*given)

    with pytest.MonkeyPatch.context() as patch:
        for module in (conduct, waiting):
            patch.setattr(module, "run_fake", shortened)
        yield
