"""How much of each pixel a path covers.

The picture is cut into slabs: at every row of pixels, 31 times in between, and wherever a corner
of the outline is. In a slab each edge is one straight piece from its top to its bottom: pieces can
be sorted, and joined to spans by the rule below; the area on the right of a piece is added to the
pixels exactly. Only where outlines cross each other inside of a slab is anything approximate,
within that slab. Thin shapes come out as exactly as large ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.clipping_path.outline import Polygon
from pipeline.imaging.clipping_path.saved_paths import Operation
from pipeline.imaging.containers.photoshop_resources import DamagedError

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Overlaps = Literal["exclude", "combine"]
# Shape suffixes: H height, W width, E edges, S slabs, X pieces of edges in a slab, P pieces of
# those in a pixel.

_SLABS = 32
"""Number of slabs that a row of pixels is cut into at regular heights; corners of the path begin
further ones."""
_STRIP_CELLS = 1 << 22
_STRIP_CROSSINGS = 1 << 21
"""The most crossings that are held at a time: some 200 MB. A row that needs more was drawn by no
hand."""
_MOST_CROSSINGS = 100_000_000
"""The most crossings that one path may have, which take ten seconds or so. A product of 9000 px
with a thousand holes has 8 million."""
_NOTHING = 1e-7
"""The largest residue that rounding may leave of sums that cancel."""
_MOST_LAYERS = 64


@dataclass(frozen=True, slots=True)
class _Layer:
    """Neighbouring components that are joined to what is below by the same operation."""

    operation: Operation
    components: int


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of all polygons, from top to bottom; horizontal edges are left out."""

    x_E: Float
    """The x coordinate of each edge's upper end, at `top_E`, px."""
    top_E: Float
    bottom_E: Float
    slope_E: Float
    """The slope of each edge, as the change of x for each pixel downwards."""
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
    slab_S = _slabs(edges, size_HW[0])
    first_E, stop_E = (
        np.searchsorted(slab_S, np.clip(y_E, 0, size_HW[0]))
        for y_E in (edges.top_E, edges.bottom_E)
    )
    for top, bottom in _strips(edges, stop_E - first_E, size_HW):
        pieces = _pieces(edges, slab_S, first_E, stop_E, top=top, bottom=bottom)
        if not len(pieces.change_X):
            continue
        change_X = _changes(layers, pieces.layer_X, pieces.component_X)
        pieces = replace(pieces, change_X=change_X)
        coverage_HW[top:bottom] = _summed(pieces, top, (bottom - top, width))
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


def _slabs(edges: _Edges, height: int) -> Float:
    """The heights at which slabs begin, and the one at which the last ends, px."""
    regular = np.arange(height * _SLABS + 1) / _SLABS
    corners = np.concatenate([edges.top_E, edges.bottom_E])
    inside = corners[(corners > 0) & (corners < height)]
    return np.unique(np.concatenate([regular, inside]))


def _strips(edges: _Edges, slabs_E: Int, size_HW: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Rows from top to bottom, as many at a time as fit the memory. Raises DamagedError."""
    height, width = size_HW
    top_E, bottom_E = np.clip(edges.top_E, 0, height), np.clip(edges.bottom_E, 0, height)
    starts = np.minimum(np.floor(top_E), height - 1).astype(np.int64)
    stops = np.maximum(np.ceil(bottom_E).astype(np.int64), starts + 1)
    ends_E = [edges.x_E + (y_E - edges.top_E) * edges.slope_E for y_E in (top_E, bottom_E)]
    across_E = np.abs(np.subtract(*(np.clip(x_E, 0, width) for x_E in ends_E)))
    share_E = (2 * slabs_E + across_E) / (stops - starts) * (slabs_E > 0)
    steps = np.bincount(starts, share_E, minlength=height + 1)
    steps -= np.bincount(stops, share_E, minlength=height + 1)
    work = np.cumsum(steps[:height])
    ends = np.cumsum(work)
    if work.max(initial=0) > _STRIP_CROSSINGS or ends[-1] > _MOST_CROSSINGS:
        raise DamagedError("a path that winds more than any drawn by hand")
    top = 0
    while top < height:
        before = ends[top - 1] if top else 0
        fitting = int(np.searchsorted(ends, before + _STRIP_CROSSINGS, side="right"))
        bottom = max(top + 1, min(fitting, top + max(1, _STRIP_CELLS // (width + 2)), height))
        yield top, bottom
        top = bottom


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The pieces that slabs cut edges into: slabs from the top, each one from left to right."""

    row_X: Int
    """The row of pixels that each piece lies in."""
    height_X: Float
    """The height of the slab that each piece lies in, px."""
    upper_X: Float
    """x at its top."""
    lower_X: Float
    layer_X: Int
    component_X: Int
    change_X: NDArray[np.int8]
    """1 where the path begins, -1 where it ends, 0 where nothing changes."""


def _pieces(
    edges: _Edges, slab_S: Float, first_E: Int, stop_E: Int, *, top: int, bottom: int
) -> _Pieces:
    """Pieces of edges between two rows; of each closed outline an even number in each slab."""
    from_S, to_S = np.searchsorted(slab_S, [top, bottom])
    start_E = np.maximum(first_E, from_S)
    count_E = np.maximum(np.minimum(stop_E, to_S) - start_E, 0)
    edge_X = np.repeat(np.arange(len(count_E)), count_E)
    nth_X = np.arange(len(edge_X)) - np.repeat(np.cumsum(count_E) - count_E, count_E)
    slab_X = start_E[edge_X] + nth_X
    y_X, end_X = slab_S[slab_X], slab_S[slab_X + 1]
    x_X, slope_X, from_X = edges.x_E[edge_X], edges.slope_E[edge_X], edges.top_E[edge_X]
    upper_X, lower_X = x_X + (y_X - from_X) * slope_X, x_X + (end_X - from_X) * slope_X
    order_X = np.lexsort((upper_X + lower_X, slab_X))
    edge_X, slab_X = edge_X[order_X], slab_X[order_X]
    return _Pieces(
        row_X=np.floor(slab_S[slab_X]).astype(np.int64),
        height_X=(end_X - y_X)[order_X],
        upper_X=upper_X[order_X],
        lower_X=lower_X[order_X],
        layer_X=edges.layer_E[edge_X],
        component_X=edges.component_E[edge_X],
        change_X=np.zeros(len(edge_X), np.int8),
    )


def _changes(layers: Sequence[_Layer], layer_X: Int, component_X: Int) -> NDArray[np.int8]:
    """The change at each crossing: 1 where the path begins, -1 where it ends, 0 elsewhere."""
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
    """The change, at each crossing, of the number of a layer's components that cover the place."""
    places = np.flatnonzero(mine_X)
    by_component = places[np.argsort(component_X[places], kind="stable")]
    steps_X = np.zeros(len(mine_X), np.int64)
    steps_X[by_component[0::2]] = 1  # in and out again, component by component and line by line
    steps_X[by_component[1::2]] = -1
    return steps_X


def _summed(pieces: _Pieces, top: int, size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Each piece counts for what is right of it, and a running sum fills in."""
    height, width = size_HW
    left_X = np.minimum(pieces.upper_X, pieces.lower_X)
    right_X = np.maximum(pieces.upper_X, pieces.lower_X)
    span_X = right_X - left_X
    counts_X = pieces.change_X * pieces.height_X
    per_px_X = np.divide(counts_X, span_X, out=np.zeros_like(span_X), where=span_X > 0)
    from_X, to_X = np.clip(left_X, 0, width), np.clip(right_X, 0, width)
    # What leaves the picture on the left covers whole rows; what does on the right, nothing of it.
    outside_X = np.where(
        span_X > 0,
        per_px_X * (np.minimum(right_X, 0) - np.minimum(left_X, 0)),
        counts_X * (left_X < 0),
    )
    upright_X = np.where((span_X == 0) & (left_X >= 0), counts_X, 0.0)

    column_X = np.floor(from_X).astype(np.int64)
    cells_X = np.maximum(np.ceil(to_X).astype(np.int64) - column_X, 1)
    piece_P = np.repeat(np.arange(len(cells_X)), cells_X)
    nth_P = np.arange(len(piece_P)) - np.repeat(np.cumsum(cells_X) - cells_X, cells_X)
    column_P = column_X[piece_P] + nth_P
    enter_P = np.maximum(from_X[piece_P], column_P)
    leave_P = np.minimum(to_X[piece_P], column_P + 1)
    amount_P = per_px_X[piece_P] * (leave_P - enter_P) + upright_X[piece_P]
    share_P = amount_P * ((enter_P + leave_P) / 2 - column_P)  # left of it, in that pixel

    stride = width + 2
    row_X = (pieces.row_X - top) * stride
    cell_P = row_X[piece_P] + column_P
    sums = np.bincount(cell_P, weights=amount_P - share_P, minlength=height * stride)
    sums += np.bincount(cell_P + 1, weights=share_P, minlength=height * stride)
    sums += np.bincount(row_X, weights=outside_X, minlength=height * stride)
    rows = np.cumsum(sums.reshape(height, stride), axis=1)[:, :width]
    rows[rows < _NOTHING] = 0
    return np.minimum(rows, 1).astype(np.float32)
