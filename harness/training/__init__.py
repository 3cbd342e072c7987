"""The training loop: learner, optimizer, selection, guard, ledger."""
