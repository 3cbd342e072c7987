"""Run the command line as ``python -m selbench``."""

from .harness.cli.commands import main

if __name__ == "__main__":
    main()
