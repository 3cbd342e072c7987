"""The command: options, listings, the plan shown, a check, a scaffold."""
