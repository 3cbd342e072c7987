"""Reference models: where the features and losses that guide a selection come from."""
