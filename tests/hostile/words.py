"""Lists of terms and settings of prompts that are nonsense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.hostile.cases import Request
from tests.hostile.commands import MANIFEST

_REFUSED = frozenset({1, 2})
"""1: no row of the run can be finished."""
_ANY = frozenset({0, 1, 2})


def words() -> Iterator[Request]:
    """All of them."""
    head = b"name: mine\naction: remove\n"
    policies: Mapping[str, tuple[bytes, frozenset[int]]] = {
        "nothing": (b"", _REFUSED),
        "a list": (b"- oak\n", _REFUSED),
        "binary": (bytes(range(256)), _REFUSED),
        "latin 1": ("name: grün\n".encode("latin-1"), _REFUSED),
        "a python object": (b"name: !!python/name:os.system x\n", _REFUSED),
        "a quote left open": (b"name: 'x\n", _REFUSED),
        "no action": (b"name: mine\n", _REFUSED),
        "an unknown action": (b"name: mine\naction: burn\n", _REFUSED),
        "an unknown field": (head + b"words: [oak]\n", _REFUSED),
        "a name of spaces": (b"name: ' '\naction: remove\n", _REFUSED),
        "groups that are words": (head + b"groups: oak\n", _REFUSED),
        "terms that are numbers": (head + b"groups: [{terms: [5]}]\n", _REFUSED),
        "a term of one letter": (head + b"groups: [{terms: [a]}]\n", _REFUSED),
        "replacements not given": (
            b"name: mine\naction: replace\ngroups: [{terms: [oak]}]\n", _REFUSED),
        "no terms": (head, _ANY),
        "terms of nothing": (
            head + "groups: [{terms: ['\u0301\u0301', '  ', '--']}]\n".encode(), _ANY),
        "a term of everything": (
            head + b"groups: [{terms: ['oak table', 'oak', 'table']}]\n", _ANY),
        "a pattern": (head + b"groups: [{terms: ['(a+)+$', '.*', '[']}]\n", _ANY),
        "a long term": (head + b"groups: [{terms: [" + b"x" * 50_000 + b"]}]\n", _REFUSED),
        "a term twice": (head + b"groups: [{terms: [oak, oak, OAK]}]\n", _ANY),
        "controls": (head + b'groups: [{terms: ["\\x1b[31m", "a\\nb"]}]\n', _ANY),
        "a replacement by itself": (
            b"name: mine\naction: replace\ngroups: [{by: oak oak, terms: [oak]}]\n", _ANY),
        "a replacement of controls": (
            b'name: mine\naction: replace\ngroups: [{by: "\\x1b\\n", terms: [oak]}]\n', _ANY),
    }  # fmt: skip
    for name, (text, codes) in policies.items():
        yield _request("policy", name, "prompt.policies=[terms.yaml]", codes, text)
    yield _request("policy", "not there", "prompt.policies=[gone.yaml]", _REFUSED)
    yield _request("policy", "a folder", "prompt.policies=[folder.yaml]", _REFUSED)
    yield _request(
        "policy",
        "another sum",
        f"prompt.policies=[{{uri: terms.yaml, sha256: {'0' * 64}}}]",
        _REFUSED,
        head,
    )
    both = "prompt.policies=[unsafe, terms.yaml]"
    yield _request(
        "policy",
        "unlike the shipped one",
        both,
        _REFUSED,
        b"name: unsafe\naction: replace\ngroups: [{by: x, terms: [oak]}]\n",
    )
    settings = (
        "prompt.default=",
        "prompt.default=' '",
        'prompt.default="\\x00"',
        "prompt.suffix=' '",
        'prompt.suffix="\\x1b[31m"',
        f"prompt.suffix={'x' * 5000}",
        "prompt={max_characters: 16, suffix: a rather long suffix}",
        "prompt={max_tokens: 8, suffix: a rather long suffix of many words}",
        "prompt.style={medium: ''}",
        "prompt.style={light: []}",
        "prompt.style={camera: [], light: [], medium: ''}",
        "prompt.style={light: ['']}",
        "prompt.style={subject_column: brand}",
        "prompt.style={subject_column: nope}",
        f"prompt.style={{medium: {'x' * 5000}}}",
        "prompt.template='{n}{n}{n}'",
        "prompt.template=' '",
        "prompt.template='{{}}'",
        f"prompt.template='{'{brand}' * 500}'",
    )
    for number, setting in enumerate(settings):
        yield _request("prompt setting", f"{number} {setting[:40]!a}", setting, _ANY)


def _request(
    group: str, name: str, setting: str, codes: frozenset[int], policy: bytes = b""
) -> Request:
    return Request(
        group=group,
        name=name,
        arguments=lambda folder: [
            *("prompts", str(folder / MANIFEST), "--recipe", "studio"),
            *("--set", _placed(setting, str(folder))),
        ],
        files={"terms.yaml": policy, "folder.yaml": lambda path: path.mkdir()},
        codes=codes,
    )


def _placed(setting: str, folder: str) -> str:
    for name in ("terms.yaml", "gone.yaml", "folder.yaml"):
        setting = setting.replace(name, f"{folder}/{name}")
    return setting
