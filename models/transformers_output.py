"""What transformers writes to the terminal by itself."""

from __future__ import annotations

from transformers.utils import logging


def silence() -> None:
    """No bars and no hints: both write over what a terminal shows, and our own progress says what is being done."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
