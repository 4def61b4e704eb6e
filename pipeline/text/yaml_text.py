"""YAML, of others and our own: the one loader of the house, which gives plain values or one line.

A few hundred characters of YAML can stand for billions of values, by aliases, or for a nesting that
no stack holds. Neither is ever meant: both are refused while they are read, before anything is
built.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from pipeline.text.printable import one_line, visible

MOST_CHARACTERS = 500_000
"""A recipe has about a thousand; a list of thirty thousand terms fits."""
MOST_DEPTH = 32
"""A recipe's deepest field lies at 6."""
_LONGEST = 200
"""Characters of what is said of a text: it quotes words of it."""
_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML's constructors let through for values such as `2026-02-30`."""


def load_yaml(text: str, *, quotes: bool = True) -> Any:
    """The one document in a text, as mappings, lists, strings, numbers, dates, booleans and null.

    Args:
        text: YAML.
        quotes: whether an error may quote words of the text. Not where somebody else has said
            which file it is: it may be one that they cannot read.

    Raises:
        ValueError: one line of at most some 200 characters that says what is wrong, and in which
            line of the text.
    """
    return _loaded(text, _Loader, quotes=quotes)


def dump_yaml(value: Any) -> str:
    """YAML that `load_yaml` reads as the same value."""
    return yaml.safe_dump(value)


def yaml_line(value: Any) -> str:
    """A value as YAML in one line that a terminal prints as it is."""
    line = _line(value, allow_unicode=True)
    return line if visible(line) == line else _line(value, allow_unicode=False)


def _line(value: Any, *, allow_unicode: bool) -> str:
    document: str = yaml.dump(
        value,
        Dumper=_LineDumper,
        default_flow_style=True,
        width=float("inf"),
        allow_unicode=allow_unicode,
        sort_keys=False,
    )
    return document.removesuffix("...\n").rstrip(
        "\n"
    )  # YAML marks the end of a value that is alone


class _LineDumper(yaml.SafeDumper):
    """PyYAML's own, which folds no text that has several lines."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if len(data.splitlines()) > 1 or data.endswith("\n") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_LineDumper.add_representer(str, _LineDumper.represent_str)


def _loaded(text: str, loader: type[_Loader], *, quotes: bool = True) -> Any:
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
        if not quotes:  # not even its parser's words, which quote a tag, an anchor or a scalar
            said = error.plain if isinstance(error, _RefusedError) else "something has no place"
        raise ValueError(f"not valid YAML: {where}{one_line(said, most=_LONGEST)}") from None


def load_words(text: str) -> Any:
    """Parse YAML with each unquoted value as the word that stands there.

    YAML takes `off` for false, `12:30` for 750 and `000000` for 0, whatever a field is to hold.
    Raises as `load_yaml`.
    """
    return _loaded(text, _WordLoader)


class _Loader(yaml.SafeLoader):
    """PyYAML's own, which keeps count of what it has been asked to build."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("an alias (*name) is not read: write out what it stands for", event)
        if self._depth >= MOST_DEPTH:
            raise _refusal(f"nested more than {MOST_DEPTH} deep: no setting is", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and (key.tag, key.value) in seen:
                raise _refusal(
                    "a field stands there twice: keep one",
                    key,
                    quoting=f"{one_line(repr(key.value), most=80)} stands there twice: keep one",
                )
            if isinstance(key, ScalarNode):
                seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            value = super().construct_object(node, deep)
        except _FAULTS as error:
            what = repr(node.value) if isinstance(node, ScalarNode) else "this"
            kind = node.tag.rpartition(":")[2]
            raise _refusal(
                "a value is none of its type",
                node,
                quoting=f"{one_line(what, most=80)} is no {kind}",
            ) from error
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise _refusal("half a surrogate pair is no text", node)
        return value


class _WordLoader(_Loader):
    """Finds no type in what is written, but for where one mapping is taken into another."""


_WordLoader.yaml_implicit_resolvers = {
    "<": [pair for pair in yaml.SafeLoader.yaml_implicit_resolvers["<"] if "merge" in pair[0]]
}


class _RefusedError(yaml.MarkedYAMLError):
    """What we refuse; `plain` says it without a word of the text."""

    def __init__(self, plain: str, quoting: str | None, mark: Any) -> None:
        super().__init__(problem=quoting or plain, problem_mark=mark)
        self.plain = plain


def _refusal(plain: str, at: Any, *, quoting: str | None = None) -> _RefusedError:
    """A refusal of a node or an event, in words that may be told to anybody, or that quote it."""
    return _RefusedError(plain, quoting, at.start_mark)
