"""Imported by the server that workers are forked from: the package's code is read once there, not by each of them.

A worker that runs a plugin's strategy does a single task, of which this would be a third where tasks are small.
"""

from ...code import code_of

USUAL = {"datasets": "digits", "learners": "resnet18", "schedules": "fixed", "strategies": "uniform"}
for group, name in USUAL.items():
    code_of(group, name)
