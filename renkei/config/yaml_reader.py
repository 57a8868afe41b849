"""YAML with positions: a document as plain data, where each key and value stands, and every surprise as a fault.

PyYAML reads YAML 1.1, in which `no` is false, `012` is ten, `12:30` is 750 and the last of two equal keys wins silently.
Here each of these is a fault that says what to write instead (examples-to-follow.md section 7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from renkei.core.errors import Fault

Path = tuple[str | int, ...]
_STANDARD = "tag:yaml.org,2002:"
# `off` is the design's own word in these two places (design.md section 4)
WORDS_ALLOWED: frozenset[Path] = frozenset({("native",), ("brakes",)})


@dataclass(slots=True)
class Document:
    """One YAML file. `data` is made of dict, list, str, int, float, bool and None; positions count from 1."""

    file: str
    data: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, path: Path, message: str, *, at_key: bool = False) -> Fault:
        """A fault at a path: at its value, or at its key; where the path is not in the file, at its nearest parent."""
        while path and path not in self.values:
            path, at_key = path[:-1], True
        places = self.keys if at_key and path in self.keys else self.values
        line, column = places.get(path, (1, 1))
        return Fault(self.file, line, column, message)


def read_yaml(file: str, text: str) -> Document:
    """Parse one document. Faults of form are in `faults`; `data` is None when there is nothing to go on with."""
    document = Document(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.faults.append(Fault(file, line, column, f"not YAML: {error.problem or error.context}"))
        return document
    except yaml.YAMLError as error:
        document.faults.append(Fault(file, 1, 1, f"not YAML: {' '.join(str(error).split())}"))
        return document
    if node is None:
        document.faults.append(Fault(file, 1, 1, "the file is empty"))
        return document
    document.data = _Builder(document).build(node, ())
    return document


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._document.values[path] = _place(node)
        if id(node) in self._seen:
            self._fault(node, "anchors and aliases are not read here; write the value out")
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, number)) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            where = (*path, key)
            if key in result:
                first = self._document.keys[where][0]
                self._fault(key_node, f"{key!r} stands here a second time (first in line {first}); keep one of them")
                continue
            self._document.keys[where] = _place(key_node)
            result[key] = self.build(value_node, where)
        return result

    def _key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node, "a key must be a word")
            return None
        if node.tag == f"{_STANDARD}merge":
            self._fault(node, "'<<' is not read here; write the keys out")
            return None
        if node.style is None and node.tag == f"{_STANDARD}bool" and node.value not in ("true", "false"):
            self._fault(node, f'YAML reads the key {node.value} as true or false; write "{node.value}" in quotes')
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind = node.tag.removeprefix(_STANDARD)
        text = str(node.value)
        if kind == "null":
            return None
        if kind == "str":
            return text
        if kind == "bool":
            return self._boolean(node, text, path)
        if kind == "int":
            return self._integer(node, text)
        if kind == "float":
            return self._float(node, text)
        if kind == "timestamp":
            self._fault(node, f'a bare date is not read here; write "{text}" in quotes')
            return text
        self._fault(node, f"the tag {node.tag!r} is not read here; write a plain value")
        return None

    def _boolean(self, node: yaml.ScalarNode, text: str, path: Path) -> Any:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if path not in WORDS_ALLOWED:
            meant = "true" if text.lower() in ("yes", "on", "y") else "false"
            self._fault(node, f'YAML reads {text} as {meant}; write {meant}, or "{text}" in quotes for the word')
        return text

    def _integer(self, node: yaml.ScalarNode, text: str) -> Any:
        if re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", text):
            return int(text)
        read = yaml.SafeLoader("").construct_yaml_int(node)
        self._fault(node, f'YAML reads {text} as {read}; write {read}, or "{text}" in quotes for the text')
        return text

    def _float(self, node: yaml.ScalarNode, text: str) -> Any:
        if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", text):
            return float(text)
        self._fault(node, f'the number {text} can be read in more than one way; write it as 0.5, or "{text}" in quotes')
        return text

    def _fault(self, node: yaml.Node, message: str) -> None:
        line, column = _place(node)
        self._document.faults.append(Fault(self._document.file, line, column, message))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
