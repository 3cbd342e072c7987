"""From records to estimates and verdicts."""
