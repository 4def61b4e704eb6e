"""How much of each pixel a path covers.

A pixel row is cut by 64 lines. On each line the places where the outline crosses it are computed,
not sampled, sorted, and joined to spans by the rule below; a span counts for a pixel with the exact
length that it has in it. So the error of a pixel is at most 1/128, under horizontal edges, and far
less under all others; where outlines touch or share an edge there is none more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.clipping_path.outline import Polygon
from pipeline.imaging.clipping_path.resources import DamagedError
from pipeline.imaging.clipping_path.saved import Operation

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Overlaps = Literal["exclude", "combine"]
# Shape suffixes: H height, W width, E edges, X crossings of an outline with a line.

_LINES = 64
"""In a row of pixels."""
_STRIP_CELLS = 1 << 22
_STRIP_CROSSINGS = 1 << 21
"""What is held at a time: some 200 MB. A row that needs more was drawn by no hand."""
_MOST_CROSSINGS = 100_000_000
"""Of a whole path: ten seconds. A product of 9000 px with a thousand holes has 5 million."""
_MOST_LAYERS = 64


@dataclass(frozen=True, slots=True)
class _Layer:
    """Neighbouring components that are joined to what is below by the same operation."""

    operation: Operation
    components: int


@dataclass(frozen=True, slots=True)
class _Edges:
    """Of all polygons, none of them horizontal."""

    x_E: Float
    """At `top_E`."""
    top_E: Float
    bottom_E: Float
    slope_E: Float
    """Of x over y."""
    layer_E: Int
    component_E: Int


def coverage_of(
    polygons: Sequence[Polygon], size_HW: tuple[int, int], *, overlaps: Overlaps = "exclude"
) -> NDArray[np.float32]:
    """The coverage of a path at full size.

    Even-odd, as PostScript clips (`eoclip`) and ImageMagick's `-clip` does: a hole is a subpath
    inside another one. Subpaths that Photoshop subtracts or intersects are so here, too, but for
    the first, which has nothing that it could be subtracted from.

    Args:
        polygons: in the path's order; they may leave the picture.
        size_HW: of the picture.
        overlaps: what becomes of places where subpaths overlap that Photoshop combines: 'exclude'
            makes them holes, as everyone else does; 'combine' fills them.

    Returns:
        Coverage, HW, [0, 1].

    Raises:
        DamagedError: the path winds so much that no hand has drawn it.
    """
    width = size_HW[1]
    coverage_HW = np.zeros(size_HW, np.float32)
    layers, edges = _prepared(polygons, overlaps)
    for top, bottom in _strips(edges, size_HW):
        line_X, x_X, layer_X, component_X = _crossings(edges, top, bottom, width)
        if not len(x_X):
            continue
        change_X = _changes(layers, layer_X, component_X)
        coverage_HW[top:bottom] = _summed(line_X, x_X, change_X, (bottom - top, width))
    return coverage_HW


def _prepared(polygons: Sequence[Polygon], overlaps: Overlaps) -> tuple[list[_Layer], _Edges]:
    """The edges of all polygons, each with its component and the layer that this is in."""
    operations: list[Operation] = []
    component_of: list[int] = []
    for polygon in polygons:
        operation = polygon.operation
        if operation == Operation.COMBINE and overlaps == "exclude":
            operation = Operation.EXCLUDE
        if not operations:
            operations.append(Operation.EXCLUDE)  # to nothing
        elif operation != Operation.WITH_PREVIOUS:
            operations.append(operation)
        component_of.append(len(operations) - 1)
    runs = [(operation, len(list(run))) for operation, run in groupby(operations)]
    layers = [_Layer(*run) for run in runs]
    if len(layers) > _MOST_LAYERS:
        raise DamagedError("a path whose subpaths are joined in too many ways")
    layer_of = np.repeat(np.arange(len(layers)), [layer.components for layer in layers])
    return layers, _edges(polygons, np.array(component_of, np.int64), layer_of)


def _edges(polygons: Sequence[Polygon], component_of: Int, layer_of: Int) -> _Edges:
    if not polygons:
        nothing, none = np.empty(0), np.empty(0, np.int64)
        return _Edges(nothing, nothing, nothing, nothing, none, none)
    start = np.concatenate([polygon.vertices_V2 for polygon in polygons])
    end = np.concatenate([np.roll(polygon.vertices_V2, -1, axis=0) for polygon in polygons])
    component = np.repeat(component_of, [len(polygon.vertices_V2) for polygon in polygons])
    rising = end[:, 1] < start[:, 1]
    upper, lower = np.where(rising[:, None], end, start), np.where(rising[:, None], start, end)
    tall = upper[:, 1] < lower[:, 1]
    upper, lower, component = upper[tall], lower[tall], component[tall]
    return _Edges(
        x_E=upper[:, 0],
        top_E=upper[:, 1],
        bottom_E=lower[:, 1],
        slope_E=(lower[:, 0] - upper[:, 0]) / (lower[:, 1] - upper[:, 1]),
        layer_E=layer_of[component],
        component_E=component,
    )


def _strips(edges: _Edges, size_HW: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Rows from top to bottom, as many at a time as fit the memory. Raises DamagedError."""
    height, width = size_HW
    starts = np.clip(np.floor(edges.top_E), 0, height).astype(np.int64)
    stops = np.clip(np.ceil(edges.bottom_E), 0, height).astype(np.int64)
    steps = np.bincount(starts, minlength=height + 1) - np.bincount(stops, minlength=height + 1)
    crossings = np.cumsum(steps[:height]) * _LINES
    ends = np.cumsum(crossings)
    if crossings.max(initial=0) > _STRIP_CROSSINGS or ends[-1] > _MOST_CROSSINGS:
        raise DamagedError("a path that winds more than any drawn by hand")
    top = 0
    while top < height:
        before = ends[top - 1] if top else 0
        fitting = int(np.searchsorted(ends, before + _STRIP_CROSSINGS, side="right"))
        bottom = min(fitting, top + max(1, _STRIP_CELLS // (width + 2)), height)
        yield top, bottom
        top = bottom


def _crossings(edges: _Edges, top: int, bottom: int, width: int) -> tuple[Int, Float, Int, Int]:
    """Line (from 0 at the strip's top), x, layer and component of each crossing, in that order.

    A line that meets an edge's upper end crosses it, one that meets its lower end does not: so each
    line crosses each closed outline an even number of times.
    """
    first_E = np.maximum(np.ceil(edges.top_E * _LINES - 0.5), top * _LINES)
    stop_E = np.minimum(np.ceil(edges.bottom_E * _LINES - 0.5), bottom * _LINES)
    count_E = np.maximum(stop_E - first_E, 0).astype(np.int64)
    edge_X = np.repeat(np.arange(len(count_E)), count_E)
    nth_X = np.arange(len(edge_X)) - np.repeat(np.cumsum(count_E) - count_E, count_E)
    line_X = first_E[edge_X] + nth_X
    below_X = (line_X + 0.5) / _LINES - edges.top_E[edge_X]
    x_X = np.clip(edges.x_E[edge_X] + below_X * edges.slope_E[edge_X], 0, width)
    line_X = line_X.astype(np.int64) - top * _LINES
    order_X = np.argsort(line_X * (width + 1.0) + x_X, kind="stable")
    edge_X = edge_X[order_X]
    return line_X[order_X], x_X[order_X], edges.layer_E[edge_X], edges.component_E[edge_X]


def _changes(layers: Sequence[_Layer], layer_X: Int, component_X: Int) -> NDArray[np.int8]:
    """At each crossing: 1 where the path begins, -1 where it ends, 0 where nothing changes."""
    if len(layers) == 1:  # every other crossing
        alternating = np.ones(len(layer_X), np.int8)
        alternating[1::2] = -1
        return alternating
    inside_X = np.zeros(len(layer_X), np.bool_)
    for number, layer in enumerate(layers):
        mine_X = layer_X == number
        if layer.operation == Operation.EXCLUDE:
            inside_X ^= (np.cumsum(mine_X) & 1).astype(np.bool_)
            continue
        depth_X = np.cumsum(_depth_steps(mine_X, component_X))
        if layer.operation == Operation.COMBINE:
            inside_X |= depth_X > 0
        elif layer.operation == Operation.SUBTRACT:
            inside_X &= depth_X == 0
        else:
            inside_X &= depth_X == layer.components
    now_X = inside_X.astype(np.int8)
    return np.asarray(now_X - np.concatenate([np.zeros(1, np.int8), now_X[:-1]]))


def _depth_steps(mine_X: NDArray[np.bool_], component_X: Int) -> Int:
    """By how much each crossing changes in how many of a layer's components one is."""
    places = np.flatnonzero(mine_X)
    by_component = places[np.argsort(component_X[places], kind="stable")]
    steps_X = np.zeros(len(mine_X), np.int64)
    steps_X[by_component[0::2]] = 1  # in and out again, component by component and line by line
    steps_X[by_component[1::2]] = -1
    return steps_X


def _summed(
    line_X: Int, x_X: Float, change_X: NDArray[np.int8], size_HW: tuple[int, int]
) -> NDArray[np.float32]:
    """Spans as coverage: each end counts for what is right of it, and a running sum fills in."""
    height, width = size_HW
    stride = width + 2
    column_X = np.floor(x_X)
    share_X = (x_X - column_X) * change_X
    cell_X = line_X // _LINES * stride + column_X.astype(np.int64)
    cells = height * stride
    sums = np.bincount(cell_X, weights=change_X - share_X, minlength=cells)
    sums += np.bincount(cell_X + 1, weights=share_X, minlength=cells)
    rows = np.cumsum(sums.reshape(height, stride), axis=1)[:, :width] / _LINES
    return np.clip(rows, 0, 1).astype(np.float32)
