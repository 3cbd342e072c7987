"""Does it pay at scale? Costs of single operations, and what they add up to for a workload."""
