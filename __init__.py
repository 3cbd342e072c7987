"""selbench: does training on fewer, better-chosen examples pay?"""

__version__ = "0.2.0"
