"""What pymatting computes, whose functions numba compiles: an extra, and never the default."""

from __future__ import annotations

from importlib.util import find_spec

_PACKAGES = ("pymatting", "numba")


def require(setting: str, *, instead: str) -> None:
    """Refuse a setting whose packages are not installed; looks for them and imports nothing.

    Args:
        setting: the field and its value, as a recipe names them.
        instead: a value that needs nothing.

    Raises:
        ValueError: they are not; says what to install.
    """
    if any(find_spec(package) is None for package in _PACKAGES):
        raise ValueError(
            f"{setting} needs the extra 'closed-form': pip install 'backlot[closed-form]', "
            f"or set it to '{instead}'"
        )
