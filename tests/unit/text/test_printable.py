import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.printable import first_line, one_line, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (
            "plain, höflich, \u05e9\u05dc\u05d5\u05dd\u200f",
            "plain, höflich, \u05e9\u05dc\u05d5\u05dd\u200f",
        ),
        ("\x1b]0;title\x07", "[U+001B]]0;title[U+0007]"),
        ("abc\u202egpj.exe", "abc[U+202E]gpj.exe"),
        ("a\nb\u2028c", "a[U+000A]b[U+2028]c"),
        ("\ud800", "[U+D800]"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text, seen):
    assert visible(text) == seen


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(20, 200))
def test_a_line_is_one_line_short_and_can_be_written_down(text, most):
    line = one_line(text, most=most)
    assert len(line) <= most
    assert line.splitlines() in ([], [line])
    line.encode()
    assert one_line(line, most=most) == line


def test_of_a_long_line_both_ends_are_kept():
    line = one_line("start " + "x" * 9999 + " end", most=50)
    assert line.startswith("start x")
    assert line.endswith("x end")
    assert len(line) == 50


def test_what_is_for_whoever_wrote_a_library_is_left_out():
    said = "Kernel error: truncated record\n   0: <unknown>\n   1: start_thread"
    assert first_line(ValueError(said)) == "Kernel error: truncated record"
    assert first_line(ValueError("two\n  lines\n\nLINE 1: SELECT")) == "two lines"
