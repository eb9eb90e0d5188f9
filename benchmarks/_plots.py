"""Drawings of figures that were kept, for the documents: the same figures give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape

from benchmarks._latencies import Figure

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = DOCS / "benchmarks.md"

Line: TypeAlias = Sequence[tuple[float, float]]
"""(x, milliseconds) pairs, x rising."""
Panel: TypeAlias = Mapping[str, Line]
"""By what the legend says."""

_FONT: Final = "DejaVu Sans"
"""Comes with the library, which measures texts by it."""
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, and a screen reader can read it
    "svg.hashsalt": "greenroom",
    "font.family": _FONT,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
_STYLES: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555")
"""Colours that the colour-blind can tell apart; shapes differ as well."""
_MARKERS: Final = "osD^v"


def draw(
    name: str, title: str, panels: Mapping[str, Panel], *, along: str, wide: bool = False
) -> Path:
    """Draw panels side by side, and give the file `docs/plots/<name>.svg`.

    Args:
        name: of the file.
        title: of the whole.
        panels: by their titles; lines of the same name look the same in each.
        along: what the x axis shows.
        wide: whether that spans orders of magnitude.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - the extra `benchmarks`
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - as above
    from matplotlib.ticker import NullLocator  # noqa: PLC0415 - as above

    with rc_context(_SETTINGS):
        canvas = Canvas(figsize=(4.6 * len(panels), 4.4), layout="constrained")
        axes = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        canvas.suptitle(title)
        for (heading, panel), axis in zip(panels.items(), axes, strict=True):
            for (label, line), colour, marker in zip(
                panel.items(), _STYLES, _MARKERS, strict=False
            ):
                along_x, along_y = zip(*line, strict=True)
                axis.plot(along_x, along_y, color=colour, marker=marker, label=label)
            axis.set(title=heading, xlabel=along, yscale="log")
            axis.yaxis.set_major_formatter("{x:g}")
            if wide:
                axis.set_xscale("log")
                axis.set_xticks(sorted({x for line in panel.values() for x, _ in line}))
                axis.xaxis.set_major_formatter("{x:,.0f}")
                axis.xaxis.set_minor_locator(NullLocator())
        axes[0].set_ylabel("p50, milliseconds")
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        path = DOCS / "plots" / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        canvas.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    _entitle(path, title)
    return path


def lines(figures: Iterable[Figure], x_of: Callable[[Figure], float]) -> dict[str, Line]:
    """Of each contender, p50 in milliseconds along whatever `x_of` says."""
    found: dict[str, list[tuple[float, float]]] = {}
    for figure in figures:
        found.setdefault(figure.contender, []).append((x_of(figure), figure.p50 * 1e3))
    return {name: sorted(line) for name, line in found.items()}


def write_in(section: str, text: str) -> None:
    """Put `text` in place of what stands in that section of the page, between its two marks."""
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    assert marked.search(page), f"{PAGE} has no place for {section}"
    PAGE.write_text(marked.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page), encoding="utf-8")


def _entitle(path: Path, title: str) -> None:
    """Say what it shows to those who do not see it; drop the blanks at the ends of lines."""
    drawing = path.read_text(encoding="utf-8").replace(f"'{_FONT}'", f"'{_FONT}', sans-serif")
    begun = re.sub(r"(<svg )([^>]*>)", _titled(title), drawing, count=1)
    path.write_text("\n".join(map(str.rstrip, begun.splitlines())) + "\n", encoding="utf-8")


def _titled(title: str) -> Callable[[re.Match[str]], str]:
    return lambda tag: f'{tag[1]}role="img" {tag[2]}\n <title>{escape(title)}</title>'
