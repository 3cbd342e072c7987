"""Folders of classes as people, cameras and systems leave them: what is an image, what is left out and said."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from ....strategies.errors import UsageError
from .decode import SUFFIXES, UNDECODED

SYSTEM = frozenset({"lost+found", "__macosx", "@eadir", "$recycle.bin", "system volume information", "__pycache__"})
"""Folders that file systems, archivers and servers make, in small letters; some hold thumbnails."""

LAYOUT = (
    "an image folder holds train/CLASS/ and test/CLASS/ with images inside; for other layouts imagefolder's option "
    "split = 0.2 draws the test images"
)


class ClassFolders:
    """Reads folders of class folders; ``said`` counts what is left out or mended, for the note.

    A class folder that is empty, made by the system, or the second of a name in two forms of Unicode is refused; with
    ``mend`` the first two are left out, and the last is one class with the first.
    """

    def __init__(self, mend: bool) -> None:
        self.mend = mend
        self.said: Counter[str] = Counter()

    def read(self, folder: Path, known: Iterable[str] = ()) -> dict[str, list[Path]]:
        """The images of each class in a fixed order; a class goes by its name in ``known`` where that has it."""
        forms = {normalize("NFC", name): name for name in known}
        found: dict[str, list[Path]] = {}
        for name in self._names(folder):
            place = folder / name
            if readable(name) != name:
                raise UsageError(f"{place}: its name is no UTF-8, and class names stand in reports: rename it")
            if self._made_by_system(place):
                continue
            called = forms.setdefault(normalize("NFC", name), name)
            if called != name:
                what = f"the names {name!a} and {called!a} are one in two forms of Unicode: rename one"
                self._odd(f"{folder}: {what}", "takes them as one class", "class folders were one in two Unicode forms")
            found.setdefault(called, []).extend(self._images(place, folder))
        return found

    def without_empty(self, classes: Mapping[str, Sequence[Path]], folder: Path) -> dict[str, Sequence[Path]]:
        for name in (name for name, files in classes.items() if not files):
            kinds = {path.suffix.lower() for path in (folder / name).glob("*")} & UNDECODED
            why = f" of a format that is decoded, only {', '.join(sorted(kinds))}" if kinds else ""
            what = f"{folder / name} holds no image{why}: add some, or remove the folder"
            self._odd(what, "leaves it out", f"empty class {name!r} left out")
        return {name: files for name, files in classes.items() if files}

    def _names(self, folder: Path) -> list[str]:
        names = []
        try:
            for entry in os.scandir(folder):
                if entry.name.startswith("."):
                    self.said["hidden files and folders ignored"] += 1
                elif entry.is_dir():
                    names.append(entry.name)
                elif Path(entry.name).suffix.lower() in SUFFIXES:
                    self.said[f"images beside the class folders of {readable(folder.name)}/ ignored"] += 1
        except OSError as error:
            raise _unreadable(error) from error
        if not names:
            raise UsageError(f"{folder} holds no class folder: {LAYOUT}")
        return sorted(names)

    def _images(self, top: Path, root: Path) -> Iterator[Path]:
        """Files by their ending, through links as torchvision follows them, but for those that lead back."""
        if self._leads_back(top, root):
            return
        for place, inner, names in os.walk(top, onerror=_stop, followlinks=True):
            folders, visible = ([each for each in some if not each.startswith(".")] for some in (inner, names))
            if hidden := len(inner) + len(names) - len(folders) - len(visible):
                self.said["hidden files and folders ignored"] += hidden
            paths = [Path(place, name) for name in sorted(folders)]
            inner[:] = [at.name for at in paths if not (self._leads_back(at, root) or self._made_by_system(at))]
            for path in (Path(place, name) for name in sorted(visible)):
                ending = path.suffix.lower()
                if ending in SUFFIXES:
                    yield path
                elif ending in UNDECODED:
                    self.said[f"{ending} files ignored, a format that is not decoded"] += 1
                else:
                    self.said["files without an image's ending ignored"] += 1

    def _leads_back(self, path: Path, root: Path) -> bool:
        """Whether a link leads to a folder that it lies in, as far as ``root``: following it would never end."""
        if not path.is_symlink():
            return False
        target = os.path.realpath(path)
        above = (at for at in path.parents if at.is_relative_to(root))
        back = any(Path(os.path.realpath(at)).is_relative_to(target) for at in above)
        if back:
            self.said["links to a folder that they lie in not followed"] += 1
        return back

    def _made_by_system(self, path: Path) -> bool:
        made = path.name.lower() in SYSTEM
        if made:
            what = f"{path} is made by the system, and no class: remove it"
            self._odd(what, "leaves it out", "folders made by the system left out")
        return made

    def _odd(self, what: str, mended: str, said: str) -> None:
        if not self.mend:
            raise UsageError(f"{what}; imagefolder's option odd_folders = 'mend' {mended}")
        self.said[said] += 1


def part(root: Path, *names: str) -> Path | None:
    """The sub-folder of one of these names, in any case; one that is written in small letters goes first."""
    try:
        found = [entry.name for entry in os.scandir(root) if entry.name.lower() in names and entry.is_dir()]
    except OSError as error:
        raise _unreadable(error) from error
    found.sort(key=lambda name: (name not in names, name))
    if len(found) > 1 and found[0] not in names:
        raise UsageError(f"{root} holds both {found[0]}/ and {found[1]}/: rename one")
    return root / found[0] if found else None


def has_folders(folder: Path) -> bool:
    try:
        return any(entry.is_dir() for entry in os.scandir(folder))
    except OSError as error:
        raise _unreadable(error) from error


def readable(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 become their escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _stop(error: OSError) -> None:
    raise _unreadable(error) from error


def _unreadable(error: OSError) -> UsageError:
    return UsageError(f"{error.filename} cannot be read ({error.strerror}): repair or remove it")
