"""Strategies that misbehave, each in one way, as a stranger would write them: nothing is imported from selbench.

Not among the entry points of ``selbench-tests-plugin``: ``tests/test_gallery.py`` installs them for itself.
"""

import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import torch


class Rule:
    """Keeps the first candidates; the others spoil that."""

    def select(self, batch_feats, losses, ratio):
        size = len(losses.index)
        return self.spoiled(torch.arange(size, device=losses.index.device)[: max(1, round(ratio * size))], losses)

    def spoiled(self, picks, losses):
        return picks


class RaisesInConstructor(Rule):
    def __init__(self):
        raise RuntimeError("no such luck")


class ExitsInConstructor(Rule):
    def __init__(self):
        sys.exit("leaving")


class NeedsWhatThereIsNot(Rule):
    needs = frozenset({"tomorrows_losses"})


class CadenceUnknown(Rule):
    cadence = "hourly"


class NoSelect:
    pass


class HangsInConstructor(Rule):
    def __init__(self):
        time.sleep(10_000)


class RaisesInBegin(Rule):
    def begin(self, pool):
        raise KeyError("weather")


class RaisesInThirdEpoch(Rule):
    def spoiled(self, picks, losses):
        if losses.epoch == 2:
            raise ZeroDivisionError("epoch three")
        return picks


class RaisesInObserve(Rule):
    def observe(self, index, losses):
        raise LookupError("nothing seen")


class ReadsUndeclared(Rule):
    def spoiled(self, picks, losses):
        return picks + 0 * losses.learner.long()[: len(picks)]


class WrongCount(Rule):
    def spoiled(self, picks, losses):
        return picks[:-1]


class Nothing(Rule):
    def spoiled(self, picks, losses):
        return None


class ListOfNumbers(Rule):
    def spoiled(self, picks, losses):
        return picks.tolist()


class Int32(Rule):
    def spoiled(self, picks, losses):
        return picks.int()


class FloatPositions(Rule):
    def spoiled(self, picks, losses):
        return picks.double()


class ElsewhereDevice(Rule):
    def spoiled(self, picks, losses):
        return picks.to("meta")


class Duplicates(Rule):
    def spoiled(self, picks, losses):
        return torch.zeros_like(picks)


class OutOfRange(Rule):
    def spoiled(self, picks, losses):
        return picks + 1_000_000


class NegativeLater(Rule):
    """Breaks its law after the calls that are judged at once."""

    calls = 0

    def spoiled(self, picks, losses):
        self.calls += 1
        return picks - 1 if self.calls > 5 else picks


class Weighted(Rule):
    weight = 1.0

    def spoiled(self, picks, losses):
        return types.SimpleNamespace(indices=picks, weights=torch.full((len(picks),), self.weight))


class NaNWeights(Weighted):
    weight = float("nan")


class NegativeWeights(Weighted):
    weight = -1.0


class WritesLabels(Rule):
    def spoiled(self, picks, losses):
        losses.labels.zero_()
        return picks


class WritesIndex(Rule):
    def spoiled(self, picks, losses):
        losses.index[:] = losses.index[0]
        return picks


class WritesPoolInBegin(Rule):
    def begin(self, pool):
        pool.labels.fill_(0)


class WritesInObserve(Rule):
    def observe(self, index, losses):
        losses.mul_(0)


def told(name):
    """A file says that ``name`` hangs, so that a test need not wait to see it."""
    if folder := os.environ.get("GALLERY_HANGING"):
        open(os.path.join(folder, name), "w").close()


class Hangs(Rule):
    def spoiled(self, picks, losses):
        told("hangs")
        while True:
            time.sleep(0.05)


class HangsDeaf(Rule):
    """Hangs, and hears no signal that can be ignored."""

    def spoiled(self, picks, losses):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        told("hangs-deaf")
        child.wait()
        return picks


class EatsMemory(Rule):
    def spoiled(self, picks, losses):
        eaten = []
        for _ in range(45):  # 2.25 GB, in case nobody stops it
            eaten.append(bytearray(os.urandom(1) * 50_000_000))
        time.sleep(10_000)  # holds it until it is stopped
        return picks


class Exits(Rule):
    def spoiled(self, picks, losses):
        sys.exit(0)


class ExitsAtOnce(Rule):
    def spoiled(self, picks, losses):
        os._exit(0)


class KillsItself(Rule):
    def spoiled(self, picks, losses):
        os.kill(os.getpid(), signal.SIGKILL)


class Segfaults(Rule):
    def spoiled(self, picks, losses):
        ctypes.string_at(0)


class Interrupts(Rule):
    def spoiled(self, picks, losses):
        raise KeyboardInterrupt


class PrintsAMegabyte(Rule):
    said = False

    def spoiled(self, picks, losses):
        if not self.said:
            self.said = True
            print("x" * 1_000_000)
            os.write(2, b"y" * 1_000_000)
        return picks


class ReseedsAll(Rule):
    def spoiled(self, picks, losses):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        return picks


class SpoilsTheProcess(Rule):
    """Leaves behind what every later cell of the process would feel."""

    def spoiled(self, picks, losses):
        torch.set_default_dtype(torch.float64)
        torch.nn.functional.cross_entropy = None
        os.chdir("/")
        os.environ.clear()
        threading.Thread(target=time.sleep, args=(600,)).start()
        raise RuntimeError("spoiled")


class ViewChangedLater(Rule):
    """Returns a view of a buffer that it changes at the next call."""

    buffer = None

    def spoiled(self, picks, losses):
        if self.buffer is None:
            self.buffer = torch.zeros(4096, dtype=torch.int64)
        self.buffer.fill_(-1)
        self.buffer[: len(picks)] = picks
        return self.buffer[: len(picks)]

    def observe(self, index, losses):
        self.buffer.fill_(-1)
