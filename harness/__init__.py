"""What runs: data, learner, references, budgets, ledger, training loop, store, executors, command line."""
