"""The command line: thin files by group of commands. What they do lives in the package."""

from timbral.cli.main import main

__all__ = ["main"]
