"""YAML that others wrote: the one loader of the house, which gives plain values or one line.

A few hundred characters of YAML can stand for billions of values, or for a nesting that no stack
holds. Neither is ever meant: both are refused while they are read, before anything is built.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from pipeline.wording import one_line

MOST_CHARACTERS = 500_000
"""A recipe has about a thousand; a list of thirty thousand terms fits."""
MOST_DEPTH = 32
"""A recipe's deepest field lies at 6."""
MOST_REPEATED = 10_000
"""Values that aliases (`*name`) may add to those that are written down."""
_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML's constructors let through for values such as `2026-02-30`."""


def load_yaml(text: str) -> Any:
    """The one document in a text, as mappings, lists, strings, numbers, dates, booleans and null.

    Raises:
        ValueError: one line that says what is wrong, and in which line of the text.
    """
    return _loaded(text, _Loader)


def _loaded(text: str, loader: type[_Loader]) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"has {len(text):,} characters, at most {MOST_CHARACTERS:,} are read: is it the right "
            "file?"
        )
    try:
        return yaml.load(text, Loader=loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(
            f"not valid YAML: line {line}: the character U+{error.character:04X} has no place in it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        said = ", ".join(part for part in (error.context, error.problem, error.note) if part)
        raise ValueError(f"not valid YAML: {where}{' '.join(said.split())}") from None


def load_words(text: str) -> Any:
    """The same document with each unquoted value as the word that stands there.

    YAML takes `off` for false, `12:30` for 750 and `000000` for 0, whatever a field is to hold.
    Raises as `load_yaml`.
    """
    return _loaded(text, _WordLoader)


class _Loader(yaml.SafeLoader):
    """PyYAML's own, which keeps count of what it has been asked to build."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[int, int] = {}
        """Values under each finished node, aliases counted as often as they stand there."""
        self._counts = [0]
        """Of each node that is being read, the values found under it so far."""
        self._repeated = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        alias = event if isinstance(event, yaml.AliasEvent) else None
        if alias is not None and alias.anchor in self.anchors:
            size = self._sizes.get(id(self.anchors[alias.anchor]))
            if size is None:
                raise _refusal(f"the alias *{alias.anchor} stands within itself", alias.start_mark)
            self._counts[-1] += size
            self._repeated += size
            if self._repeated > MOST_REPEATED:
                raise _refusal(
                    f"aliases repeat more than {MOST_REPEATED:,} values: write them out, or fewer",
                    alias.start_mark,
                )
            return super().compose_node(parent, index)
        if self._depth >= MOST_DEPTH:
            raise _refusal(f"nested more than {MOST_DEPTH} deep: no setting is", event.start_mark)
        self._depth += 1
        self._counts.append(1)
        node = super().compose_node(parent, index)
        self._depth -= 1
        size = self._counts.pop()
        self._counts[-1] += size
        self._sizes[id(node)] = size
        return node

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and (key.tag, key.value) in seen:
                raise _refusal(f"{key.value!r} stands there twice: keep one", key.start_mark)
            if isinstance(key, ScalarNode):
                seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            value = super().construct_object(node, deep)
        except _FAULTS as error:
            what = repr(node.value) if isinstance(node, ScalarNode) else "this"
            kind = node.tag.rpartition(":")[2]
            raise _refusal(f"{one_line(what, most=80)} is no {kind}", node.start_mark) from error
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise _refusal("half a surrogate pair is no text", node.start_mark)
        return value


class _WordLoader(_Loader):
    """Finds no type in what is written, but for where one mapping is taken into another."""


_WordLoader.yaml_implicit_resolvers = {
    "<": [pair for pair in yaml.SafeLoader.yaml_implicit_resolvers["<"] if "merge" in pair[0]]
}


def _refusal(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
