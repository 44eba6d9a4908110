"""The report's two pictures: how latencies are distributed, and how much comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.figures import percentile
from bench.outcomes import Answered
from bench.report.lettering import Lettering, lettering
from bench.report.measures import RPS, TOKENS, Measure, figure
from bench.report.records import Run
from bench.report.showing import plain
from bench.report.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31")
"""Okabe and Ito's, which colour-blind people tell apart."""
_STYLES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":", "-", "--", "-.", ":")
_MARKED = (50, 95, 99)
_MOST_LOADS = 8
_LONGEST_NAME = 28
_DPI = 110


def can_draw() -> bool:
    return find_spec("matplotlib") is not None


@dataclass(frozen=True, slots=True)
class Names:
    """What variants and loads are called in pictures: short, drawable, no two alike."""

    variants: Mapping[str, str]
    loads: Mapping[str, str]

    def key(self) -> Mapping[str, str]:
        """What stands for which name, where it is not that itself."""
        return {short: name for name, short in {**self.loads, **self.variants}.items() if short != name}


def drawn_names(run: Run, words: Words) -> Names:
    letters = lettering()
    return Names(
        short_names([one.name for one in run.variants], words("variant"), letters),
        short_names(_loads(run), words("load"), letters),
    )


def draw_latency(run: Run, words: Words, names: Names, file: Path) -> None:
    """For each load the distribution of the first token's time and of the whole answer's."""
    loads = _loads(run)
    with lettering().applied():
        variants = list(names.variants.values())
        figure_, legend_inches = _figure(9.6, 2.6 * len(loads), variants, rows=len(loads), columns=2)
        for row, scenario in enumerate(loads):
            left, right = figure_.axes[2 * row], figure_.axes[2 * row + 1]
            title = names.loads[scenario]
            _distribution(left, run, scenario, lambda answer: answer.first_text_s)
            _distribution(right, run, scenario, lambda answer: answer.total_s)
            left.set_title(f"{title}: {words('plot ttft')}", fontsize=10, loc="left")
            right.set_title(f"{title}: {words('plot latency')}", fontsize=10, loc="left")
            left.set_ylabel(words("axis share"), fontsize=9)
            for axes in (left, right):
                axes.set_xlabel(words("axis seconds"), fontsize=9)
        _saved(figure_, file, words("plot points"), run, words, legend_inches)


def draw_throughput(run: Run, words: Words, names: Names, file: Path) -> None:
    """For each load requests and tokens a second, with the least and the greatest of the repeats."""
    loads = _loads(run)
    with lettering().applied():
        bars = len(loads) * (len(run.variants) + 1)
        variants = list(names.variants.values())
        figure_, legend_inches = _figure(9.6, max(2.0, 0.34 * bars + 0.9), variants, rows=1, columns=2)
        for axes, measure, title in zip(figure_.axes, (RPS, TOKENS), ("axis rps", "axis tokens"), strict=True):
            _bars(axes, run, loads, measure)
            axes.set_title(words(title), fontsize=10, loc="left")
            axes.set_yticks(range(len(loads)), [names.loads[name] for name in loads])
        figure_.axes[1].set_yticklabels([])
        repeats = words("plot whiskers", n=run.config.repeats) if run.config.repeats > 1 else ""
        _saved(figure_, file, repeats, run, words, legend_inches)


def _figure(width: float, height: float, names: Sequence[str], *, rows: int, columns: int) -> tuple[Figure, float]:
    """With a legend above everything; how many inches that takes."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    per_row = 3
    legend = 0.15 + 0.2 * -(-len(names) // per_row)
    made = Figure(figsize=(width, height + legend), dpi=_DPI)
    made.subplots(rows, columns, squeeze=False)
    handles = [
        Line2D([], [], color=_COLORS[at], linestyle=_STYLES[at], marker="o", markersize=4, label=name)
        for at, name in enumerate(names)
    ]
    made.legend(handles=handles, loc="upper center", ncols=min(per_row, len(names)), frameon=False, fontsize=9)
    return made, legend


def _distribution(axes: Axes, run: Run, scenario: str, of: Callable[[Answered], float]) -> None:
    longest = 0.0
    for at, facts in enumerate(run.variants):
        samples = sorted(of(answer) for answer in run.answers(facts.name, scenario))
        if not samples:
            continue
        samples = samples * 2 if len(samples) == 1 else samples
        shares = np.linspace(0, 1, len(samples))  # as percentiles are interpolated, so that the points lie on the line
        axes.plot(samples, shares, color=_COLORS[at], linestyle=_STYLES[at], lw=1.5)
        marked = [percentile(samples, percent) for percent in _MARKED]
        axes.plot(marked, [percent / 100 for percent in _MARKED], "o", color=_COLORS[at], markersize=4)
        longest = max(longest, samples[-1])
    axes.set_ylim(0, 1.03)
    axes.set_xlim(0, longest * 1.05 or 1)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=8)


def _bars(axes: Axes, run: Run, loads: Sequence[str], measure: Measure) -> None:
    height = 0.8 / len(run.variants)
    longest = 0.0
    for at, facts in enumerate(run.variants):
        for row, scenario in enumerate(loads):
            if not (found := figure(run, facts.name, scenario, measure)):
                continue
            place = row + (at - (len(run.variants) - 1) / 2) * height
            axes.barh(place, found.median, height=height * 0.9, color=_COLORS[at])
            axes.plot([found.low, found.high], [place, place], color="black", lw=1)
            axes.annotate(
                plain(found.median),
                (found.high, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
            longest = max(longest, found.high)
    axes.set_xlim(0, longest * 1.18 or 1)
    axes.set_ylim(len(loads) - 0.5, -0.5)  # the first load on top
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(labelsize=8)


def _saved(made: Figure, file: Path, note: str, run: Run, words: Words, legend_inches: float) -> None:
    more = len(list(run.scenarios())) - _MOST_LOADS
    notes = [note, words("plot others", n=more) if more > 0 else ""]
    height = made.get_figheight()
    made.text(0.01, 0.06 / height, words.semicolon.join(filter(None, notes)), fontsize=8, color="#555555")
    made.tight_layout(rect=(0, 0.2 / height, 1, 1 - legend_inches / height))
    made.savefig(file)


def _loads(run: Run) -> list[str]:
    return list(run.scenarios())[:_MOST_LOADS]


def short_names(names: Sequence[str], what: str, letters: Lettering) -> dict[str, str]:
    """By name; what is too long to be told from others, or cannot be drawn, is `what` and its place."""
    short = [_short(name) for name in names]
    return {
        name: one if letters.can_draw(one) and short.count(one) == 1 else f"{what} {place}"
        for place, (name, one) in enumerate(zip(names, short, strict=True), start=1)
    }


def _short(name: str) -> str:
    """Without its middle: beginnings are often alike."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"
