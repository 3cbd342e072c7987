"""Text from outside is safe wherever it is shown."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from selbench.reports.document.text import clean


@given(st.text())
def test_clean_text_is_fit_for_xml_and_a_terminal(text: str) -> None:
    safe = clean(text)
    marked = safe.replace("&", "&amp;").replace("<", "&lt;")
    assert "".join(ElementTree.fromstring(f"<t>{marked}</t>").itertext()) == safe
    assert not set(safe) & {"\x1b", "\n", "\r", "\x00", "\u202e"}
