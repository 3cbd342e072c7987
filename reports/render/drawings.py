"""Drawings as elements of one HTML page, in few bytes.

A style stands in the page once, as a class, and a mark once, wherever it is drawn again; wrappers, namespaces and
unused ids go, and numbers keep a tenth of a point, a sixth of a pixel. Colours become the page's CSS variables, so one
drawing serves light, dark and print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree

from markupsafe import Markup

from ..document.looks import VARIABLES
from ..figures.canvas import Drawing

LARGE = 480
"""Pixels from which on a figure has no room beside another one."""

_CLIP = "clip-path"
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_URL = re.compile(r"url\(#([^)]+)\)")
_NUMBER = re.compile(r"-?\d+\.\d+")
_FAMILY = re.compile(r"font-family: [^;]*;? ?")  # the page's own stands in its place
_UNTURNED = re.compile(r" ?rotate\(-0[ )].*")
_SPACE = re.compile(r"\s*([A-Za-z])\s*")  # around the letters of a path
_DROPPED = ("metadata", "title", "style")
_GEOMETRY = {"d", "x", "y", "width", "height", "transform"}

Element = ElementTree.Element


class Drawings:
    """The drawings of one page."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}  # by style
        self._marks: dict[str, str] = {}  # ids of marks, by what they look like

    @property
    def stylesheet(self) -> Markup:
        """The classes of all drawings made so far."""
        return Markup("".join(f".{name}{{{style}}}" for style, name in self._classes.items()))

    def markup(self, drawing: Drawing) -> Markup:
        """A drawing, described for who cannot see it.

        Its type, of 7.5 to 8.5 points, stays between 11 and 14 pixels at every width of the page: it neither shrinks,
        so that a narrow page scrolls it in its box, nor grows beyond that.
        """
        root, name = ElementTree.fromstring(drawing.svg), drawing.name
        for item in root.iter():
            item.tag, item.tail = _local(item.tag), None
            item.text = item.text if item.tag == "text" else None
            item.attrib = {_local(key): _plain(_local(key), value) for key, value in item.attrib.items()}
        self._settle(root, name)
        _flatten(root)
        ends = f"min-width:{1.1 * drawing.width:.0f}px;max-width:{1.23 * drawing.width:.0f}px"
        root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "style": ends}
        root.attrib |= {"class": "large"} if drawing.width > LARGE else {}
        root.attrib["aria-labelledby"] = f"{name}-title {name}-desc"
        for place, (tag, text) in enumerate((("title", drawing.title), ("desc", drawing.description))):
            root.insert(place, Element(tag, {"id": f"{name}-{tag}"}))
            root[place].text = text
        return Markup(ElementTree.tostring(root, encoding="unicode").replace(" />", "/>"))  # in names ">" is "&gt;"

    def _settle(self, root: Element, name: str) -> None:
        """Give every style its class, and every id one that is its own on the page; a mark there already is used."""
        used = {found for item in root.iter() for value in item.attrib.values() for found in _references(value)}
        ids = {id: f"{name}-{number}" for number, id in enumerate(sorted(used))}
        for item in root.iter():
            if style := item.attrib.pop("style", ""):
                item.set("class", self._classes.setdefault(style, f"f{len(self._classes)}"))
            if (id := item.attrib.pop("id", "")) in used:
                looks = f"{item.get('d')} {item.get('class')}" if item.tag == "path" else id + name
                first = self._marks.setdefault(looks, ids[id])
                item.set("id", ids[id])
                item.tag = item.tag if first == ids[id] else _DROPPED[0]
                ids[id] = first
        for item in root.iter():
            for key, value in item.attrib.items():
                if key == "href":
                    item.set(key, f"#{ids[value[1:]]}")
                elif key == _CLIP:
                    item.set(key, _URL.sub(lambda found: f"url(#{ids[found[1]]})", value))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _references(value: str) -> Iterator[str]:
    if value.startswith("#"):
        yield value[1:]
    yield from _URL.findall(value)


def _plain(key: str, value: str) -> str:
    """The value of an attribute, its colours the page's and its numbers short."""
    if key == "style":
        variables = {colour: f"var({name})" for colour, name in VARIABLES.items()}
        return _COLOUR.sub(lambda found: variables.get(found.group(), found.group()), _FAMILY.sub("", value))
    if key in _GEOMETRY:
        value = _NUMBER.sub(lambda found: f"{float(found.group()):.1f}".removesuffix(".0"), _UNTURNED.sub("", value))
        return _SPACE.sub(r"\1", value).strip() if key == "d" else value
    return value


def _flatten(item: Element) -> None:
    """Put the children of groups without attributes in their place, clip neighbours together, and drop the rest."""
    children: list[Element] = []
    for child in item:
        _flatten(child)
        child.attrib = {key: value for key, value in child.attrib.items() if value}
        if child.tag == "g" and not child.attrib:
            children += child
        elif child.tag not in _DROPPED and (child.tag != "defs" or len(child)):
            children.append(child)
    item[:] = []
    for clip, alike in groupby(children, lambda child: "" if child.get("transform") else child.get(_CLIP, "")):
        run = list(alike)
        if clip and len(run) > 1:
            group = Element("g", {_CLIP: clip})
            for child in run:
                del child.attrib[_CLIP]
                group.extend(child if child.tag == "g" and not child.attrib else [child])
            run = [group]
        item.extend(run)
