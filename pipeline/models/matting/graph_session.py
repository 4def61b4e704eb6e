"""What a runtime makes of an ONNX graph, whichever runtime it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a graph, as its runtime describes it."""

    shape: list[int | None]
    """None where the graph leaves a size open."""
    dtype: str
    """numpy's name for floats; for anything else, the runtime's."""


class Session(Protocol):
    """A graph loaded by a runtime, on the device that was asked for and no other."""

    inputs: list[Port]

    def run(self, input_NCHW: NDArray[Any]) -> NDArray[Any]:
        """The one output that was chosen when the graph was loaded, in an array of its own.

        Raises:
            MemoryError: it does not fit.
            FatalError: the device is lost.
        """
        ...
