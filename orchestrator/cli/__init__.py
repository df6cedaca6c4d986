"""The command line. Each command is a file named as the user types it."""

from orchestrator.cli.terminal.group import COMMANDS, exit_code, run

__all__ = ["COMMANDS", "exit_code", "run"]
