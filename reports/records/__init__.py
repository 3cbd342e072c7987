"""The record models: what the harness writes, and reports and verify read."""
