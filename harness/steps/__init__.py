"""From a schedule to the ratio of each step, and from that to (B, k)."""
