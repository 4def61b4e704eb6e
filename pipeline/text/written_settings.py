"""Settings as they are written in YAML files and with `--set`, before they make a model.

Of each value three things are kept: what YAML makes of it, the word that stands there, and the file
it stands in. A file may leave to another one what it does not say itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from pipeline.text.config_tree import kind_field, model_of_kind, models_in
from pipeline.text.yaml_text import MOST_DEPTH, load_words, load_yaml

_UNCOLORED = re.compile(r"^[ ]*\w*color:[ ]+(#[0-9A-Fa-f]{3,8})[ ]*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A value or, with entries, a section, as somebody wrote it."""

    value: Any = None
    """What YAML reads there; of a section None."""
    entries: Mapping[Any, Written] | None = None
    """What a section holds, by key. None: it is none."""
    word: Any = None
    """The text that stands there, or a list of texts; of a section None, unless it may be text."""
    source: str
    """The file, as messages call it; of a section the nearest file that says anything in it."""
    trouble: ValueError | None = None
    """Why YAML cannot read the word, which only a field that wants text can take."""

    @property
    def plain(self) -> Any:
        """The values alone."""
        if self.entries is None:
            return self.value
        return {name: entry.plain for name, entry in self.entries.items()}

    def word_at(self, path: Sequence[str]) -> str | None:
        """The text that stands at a path. None: no text, or nothing."""
        node, rest = self._nearest(path)
        return _text_below(node.word, rest)

    def text_at(self, path: Sequence[str]) -> str | None:
        """The value at a path if it is text. None: it is something else, or nothing."""
        node, rest = self._nearest(path)
        return _text_below(node.value, rest)

    def trouble_at(self, path: Sequence[str]) -> ValueError | None:
        """Why YAML cannot read what stands at a path. None: it can."""
        node, rest = self._nearest(path)
        return None if rest else node.trouble

    def with_word_at(self, path: Sequence[str]) -> Written:
        """The settings with the word for the value at a path."""
        if self.entries is not None and path:
            first, *rest = path
            below = self.entries[first].with_word_at(rest)
            return replace(self, entries={**self.entries, first: below})
        value = _with_text_below(self.value, path, _text_below(self.word, path))
        return replace(self, value=value, entries=None)

    def elsewhere(self, path: Sequence[str]) -> str:
        """The files of a mistake at a path, to end its message; empty if only in this one.

        What is missing stands nowhere: it is missed in the file that says the nearest thing.
        """
        node, rest = self._nearest(path)
        sources = [node.source] if rest else list(dict.fromkeys(node._sources()))
        return "" if sources == [self.source] else f" (in {' and '.join(sources)})"

    def _sources(self) -> Iterator[str]:
        """The files of all values."""
        if not self.entries:
            yield self.source
        for entry in (self.entries or {}).values():
            yield from entry._sources()

    def _nearest(self, path: Sequence[str]) -> tuple[Written, Sequence[str]]:
        """The last of what lies along a path, and the steps that lead on from there."""
        node = self
        for index, step in enumerate(path):
            if node.entries is None or step not in node.entries:
                return node, path[index:]
            node = node.entries[step]
        return node, ()


def read_settings(text: str, *, source: str) -> Written:
    """Settings from YAML.

    Args:
        text: YAML.
        source: what messages call it.

    Raises:
        ValueError: one line with the source, the line of the text and what is wrong there.
    """
    try:
        written = _written(load_yaml(text), load_words(text), source)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    uncolored = _UNCOLORED.search(text)
    if uncolored is not None:
        line = text.count("\n", 0, uncolored.start(1)) + 1
        raise ValueError(
            f"{source}: line {line}: {uncolored[1]} is a comment to YAML: write '{uncolored[1]}'"
        )
    return written


def _written(value: Any, word: Any, source: str) -> Written:
    if not isinstance(value, Mapping):
        return Written(value=value, word=word, source=source)
    words = word if isinstance(word, Mapping) else {}
    named = value
    if len(value) == len(words) and not all(isinstance(key, str) for key in value):
        # YAML takes some keys, too, for something else than the words that they are.
        named = dict(zip(words, value.values(), strict=True))
    entries = {key: _written(below, words.get(key), source) for key, below in named.items()}
    return Written(entries=entries, source=source)


def laid_over(own: Written, below: Written, model: type[BaseModel]) -> Written:
    """Settings that say a part, over others that hold where they say nothing.

    Sections are joined, entry by entry; lists and values are replaced. A section that is one of
    several kinds is replaced as a whole by one of another kind, and so is one that names another
    of its model's `ALTERNATIVES`.

    Args:
        own: the settings that count.
        below: those that they lie over.
        model: what both are to make.
    """
    return _over(own, below, model, None)


def _over(own: Written, below: Written, annotation: Any, default: Any) -> Written:
    if own.entries is None or below.entries is None:
        return own
    held = _kind_of(below, annotation, default)
    model = _kind_of(own, annotation, held)
    if model is not held or _names_another(own, below, model):
        return own
    entries = dict(below.entries)
    for name, entry in own.entries.items():
        field = None if model is None else model.model_fields.get(name)
        if name not in entries:
            entries[name] = entry
        elif field is None:
            entries[name] = _over(entry, entries[name], None, None)
        else:
            default = field.get_default(call_default_factory=False)
            kind = type(default) if isinstance(default, BaseModel) else None
            entries[name] = _over(entry, entries[name], field.annotation, kind)
    return replace(own, entries=entries)


def _kind_of(
    section: Written, annotation: Any, unsaid: type[BaseModel] | None
) -> type[BaseModel] | None:
    """The model that a section makes. None: none, or one that is not known.

    Args:
        section: as written.
        annotation: of the field that it is for.
        unsaid: the model if the section does not say its kind.
    """
    models = models_in(annotation)
    if len(models) < 2:
        return models[0] if models else None
    kind = (section.entries or {}).get(kind_field(models))
    return unsaid if kind is None else model_of_kind(models, kind.value)


def _names_another(own: Written, below: Written, model: type[BaseModel] | None) -> bool:
    named = [
        {name for name in getattr(model, "ALTERNATIVES", ()) if _says(section, name)}
        for section in (own, below)
    ]
    return bool(named[0] - named[1])


def _says(section: Written, name: str) -> bool:
    entry = (section.entries or {}).get(name)
    return entry is not None and entry.plain is not None


def with_setting(written: Written, setting: str) -> Written:
    """Settings with one of them changed, as `--set` does it.

    Args:
        written: the settings.
        setting: `section.field=value`; the value is YAML.

    Raises:
        ValueError: it is not written like this, or names no place where a field could be.
    """
    steps, text = _parted(setting)
    return _placed(written, steps, _value_of(setting, text, written.source), setting)


def _parted(setting: str) -> tuple[list[str], str]:
    """The fields on the way to the one that is set, and what is written for it."""
    path, separator, text = setting.partition("=")
    steps = path.strip().split(".")
    if not separator or not all(steps):
        raise ValueError(f"--set {setting}: write it as section.field=value")
    if len(steps) > MOST_DEPTH:
        raise ValueError(f"--set {setting}: no field lies {len(steps)} sections deep")
    # A comment to YAML, and never meant as one where a value is set: it may be a colour.
    return steps, json.dumps(text.strip()) if text.lstrip().startswith("#") else text


def _value_of(setting: str, text: str, source: str) -> Written:
    """What is set. What is no YAML is a word, for fields that want one, such as a template."""
    try:
        value, word = load_yaml(text), load_words(text)
    except ValueError as error:
        trouble = ValueError(f"--set {setting}: the value is {error}")
        if text.lstrip().startswith(("'", '"')):  # a quote that is left open
            raise trouble from None
        return Written(value=text.strip(), word=text.strip(), source=source, trouble=trouble)
    written = _written(value, word, source)
    is_laid_out = isinstance(value, list | dict) and not text.lstrip().startswith(("[", "{"))
    return replace(written, word=text.strip()) if is_laid_out else written


def _placed(within: Written, steps: Sequence[str], value: Written, setting: str) -> Written:
    if within.entries is None and within.value:
        raise ValueError(f"--set {setting}: {steps[0]!r} lies below something that is no section")
    first, *rest = steps
    entries = within.entries or {}
    if rest:
        empty = Written(entries={}, source=within.source)
        value = _placed(entries.get(first, empty), rest, value, setting)
    return Written(entries={**entries, first: value}, source=within.source)


def _text_below(tree: Any, path: Sequence[str]) -> str | None:
    for step in path:
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdecimal() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return None
    return tree if isinstance(tree, str) else None


def _with_text_below(tree: Any, path: Sequence[str], text: str | None) -> Any:
    if not path:
        return text
    first, *rest = path
    if isinstance(tree, list):
        index = int(first)
        return [*tree[:index], _with_text_below(tree[index], rest, text), *tree[index + 1 :]]
    return {**tree, first: _with_text_below(tree[first], rest, text)}
