from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from selbench.strategies.errors import LONGEST, one_line


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_one_line_that_does_nothing(text):
    line = one_line(text)
    assert line.isprintable() and line == one_line(line)


def test_what_was_there_can_be_told_and_ordinary_text_stays():
    assert one_line("a\n  b\x1b[31mé\u202e\udc80\x00") == r"a b\x1b[31mé\u202e\udc80\x00"
    whole = "path/" * 1000 + "mend it"
    assert len(one_line(whole)) <= LONGEST + 3
    assert one_line(whole).startswith("path/") and one_line(whole).endswith("mend it")
