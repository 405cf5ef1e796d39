"""Tells which changes of an event's JSON Schema break those who read or write it already.

After sentry-kafka-schemas (`json_schema_changes.py`): a field that vanishes, changes type or becomes required breaks;
a new optional field, or a wider type, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What breaks, each as `path: what`; empty when nothing does."""
    return _compare("$", old, new, old.get("$defs", {}), new.get("$defs", {}))


def _compare(path: str, old: Schema, new: Schema, olds: Mapping[str, Schema], news: Mapping[str, Schema]) -> list[str]:
    old, new = _resolved(old, olds), _resolved(new, news)
    found = []
    if lost := _types(old, olds) - _types(new, news):
        found.append(f"{path}: no longer takes {', '.join(sorted(lost))}")
    choices: list[str] = old.get("enum", [])
    if gone := set(choices) - set(new.get("enum", choices)):
        found.append(f"{path}: no longer takes {sorted(gone)}")
    before, after = old.get("properties", {}), new.get("properties", {})
    found += [f"{path}.{name}: gone" for name in before.keys() - after.keys()]
    for name in sorted(set(new.get("required", [])) - set(old.get("required", []))):
        found.append(f"{path}.{name}: now required")
    for name in sorted(before.keys() & after.keys()):
        found += _compare(f"{path}.{name}", before[name], after[name], olds, news)
    if "items" in old and "items" in new:
        found += _compare(f"{path}[]", old["items"], new["items"], olds, news)
    return found


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follow a reference, also one that may be null."""
    if "$ref" in schema:
        return dict(definitions[schema["$ref"].rsplit("/", 1)[-1]])
    some = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    return _resolved(some[0], definitions) if len(some) == 1 else schema


def _types(schema: Schema, definitions: Mapping[str, Schema]) -> set[str]:
    if "anyOf" in schema:
        return {kind for choice in schema["anyOf"] for kind in _types(_resolved(choice, definitions), definitions)}
    kind = schema.get("type")
    return {kind} if isinstance(kind, str) else set()
