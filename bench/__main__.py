"""`python -m bench` is `larkwise bench`."""

from __future__ import annotations

import sys

from app.cli_terminal import say_error
from app.loading import EXPECTED
from bench.cli import commands
from bench.errors import BenchError


def main() -> None:
    """Our errors are sentences, not tracebacks."""
    try:
        commands(prog_name="python -m bench")
    except (BenchError, *EXPECTED) as error:
        say_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
