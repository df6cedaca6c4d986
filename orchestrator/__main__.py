"""`orch` and `python -m orchestrator`."""

import sys


def main() -> None:
    """Run a command. The one place where an error becomes an exit code."""
    from orchestrator.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
