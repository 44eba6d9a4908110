"""How often and how long a call is tried."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """`answer_s` and `download_s` are for one try; a wait of more than `longest_reset_s` is left to the caller."""

    tries: int = 5
    first_s: float = 0.5
    longest_s: float = 20.0
    longest_reset_s: float = 90.0
    connect_s: float = 5.0
    answer_s: float = 20.0
    download_s: float = 300.0

    def wait_s(self, number: int, *, reset_s: float) -> float | None:
        """
        Until the try after try `number`, counted from 1; None where there is none.

        It is longer each time, and never shorter than `reset_s`, which Feishu asks for; and not the same for all who
        wait, who would else come again at once.
        """
        if number >= self.tries or reset_s > self.longest_reset_s:
            return None
        backing_off_s = min(self.first_s * 2.0 ** (number - 1), self.longest_s)
        return max(reset_s, backing_off_s) * random.uniform(1.0, 1.25)  # noqa: S311 - no secret


USUAL = Patience()
