"""Files that are written whole or not at all: results folder, locks, caches, checkpoints."""
