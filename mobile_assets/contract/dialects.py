"""How the expressions of a contract's readers are written in each language."""

import json
import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
HEADER = (
    "// Generated from clients/contract.json by `python -m mobile_assets contract`: do not edit."
)
_SMALL_WHOLE = 1 << 30  # from here on Kotlin needs a Long
_INT = "int"


@dataclass(frozen=True)
class Dialect:
    """What differs between the languages, as far as the generator is concerned.

    Attributes:
        types: of the kinds that have one, and of whole numbers that are small ("int"); {of} is the
            name of the list that words are from.
        nullable: a type that may be missing, with {} for the type that it is otherwise.
        small_whole: the method that reads a small whole number.
        list_of: a list's type, with {} for its items' type.
        map_of: a table's type by text, likewise.
        attempt: stands before what may fail.
        each: maps a list, with the list and what becomes of `item`.
        each_value: likewise the values of a table.
        or_null: reads `item` unless it is null.
        if_there: reads `item` if the key is there.
        nothing: the word for a value that is missing.
        text_escapes: what must be escaped in a text beside JSON's own.
    """

    types: dict[str, str]
    nullable: str
    small_whole: str
    list_of: str
    map_of: str
    attempt: str
    each: str
    each_value: str
    or_null: str
    if_there: str
    nothing: str
    text_escapes: dict[str, str]

    def describe(self, about: str) -> str:
        """Returns what Python says of a member as a sentence of this language's documentation."""
        said = about.replace("None", self.nothing)
        return f"{said[0].upper()}{said[1:]}."

    def text(self, value: str) -> str:
        """Returns a text as a literal."""
        literal = json.dumps(value, ensure_ascii=False)
        for found, escaped in self.text_escapes.items():
            literal = literal.replace(found, escaped)
        return literal

    def texts(self, values: list[str]) -> str:
        """Returns texts as the items of a literal list."""
        return ", ".join(map(self.text, values))

    def type_of(self, form: Json) -> str:
        """Returns the type that a member has."""
        plain = self._plain_type(form)
        is_nullable = form.get("nullable") or form.get("optional")
        return self.nullable.format(plain) if is_nullable else plain

    def _plain_type(self, form: Json) -> str:
        kind = form["kind"]
        if kind == "model":
            return pascal(form["of"])
        if kind in ("list", "map"):
            outer = self.list_of if kind == "list" else self.map_of
            return outer.format(self.type_of(form["item"]))
        if kind == "whole" and form["most"] < _SMALL_WHOLE:
            kind = _INT
        return self.types[kind].format(of=camel(form.get("of", "")))

    def read(self, form: Json, node: str) -> str:
        """Returns the expression that reads a member.

        Args:
            form: as the contract describes the member.
            node: the expression of its node.
        """
        plain = {key: value for key, value in form.items() if key not in ("nullable", "optional")}
        if form.get("nullable"):
            return self.attempt + self.or_null.format(node=node, read=self.read(plain, "item"))
        if form.get("optional"):
            return self.attempt + self.if_there.format(node=node, read=self.read(plain, "item"))
        return self._read_plain(plain, node)

    def _read_plain(self, form: Json, node: str) -> str:
        kind, attempt = form["kind"], self.attempt
        if kind == "list":
            items = f"{node}.items({form['least']}, {form['most']})"
            return attempt + self.each.format(node=items, read=self.read(form["item"], "item"))
        if kind == "map":
            keys = f", Lists.{camel(form['keys'])}" if "keys" in form else ""
            items = f"{node}.entries({form['most']}{keys})"
            return attempt + self.each_value.format(
                node=items, read=self.read(form["item"], "item")
            )
        if kind == "whole" and form["most"] < _SMALL_WHOLE:
            return f"{attempt}{node}.{self.small_whole}({form['least']}, {form['most']})"
        return {
            "text": lambda: f"{attempt}{node}.text({form['most_chars']})",
            "pattern": lambda: f"{attempt}{node}.matching(Patterns.{camel(form['of'])})",
            "one_of": lambda: f"{attempt}{node}.oneOf(Lists.{camel(form['of'])})",
            "whole": lambda: f"{attempt}{node}.whole({form['least']}, {form['most']})",
            "number": lambda: (
                f"{attempt}{node}.number({float(form['least'])!r}, {float(form['most'])!r})"
            ),
            "flag": lambda: f"{attempt}{node}.flag()",
            "time": lambda: f"{attempt}readTime({node})",
            "range": lambda: f"{attempt}readRange({node})",
            "model": lambda: f"{attempt}read{pascal(form['of'])}({node})",
            "json": lambda: f"{node}.value",
            "presence": lambda: f"!{node}.isNull",
        }[kind]()


def camel(name: str) -> str:
    """Returns "size-bytes" or "size_bytes" as "sizeBytes"."""
    first, *rest = re.split("[-_]", name)
    return first + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    """Returns "size_bytes" as "SizeBytes"."""
    return "".join(word.capitalize() for word in re.split("[-_]", name))


def shown(field: Json) -> Json | None:
    """Returns a member as a class has it; None where it is of no use to a phone."""
    if field.get("presence"):
        return {"key": field["key"], "name": f"has_{field['key']}", "kind": "presence"}
    return None if field["kind"] == "opaque" else {**field, "name": field["key"]}


def keys_of(model: Json, optional: bool) -> list[str]:
    """Returns the keys of a model that may be missing, or those that must not."""
    return [field["key"] for field in model["fields"] if bool(field.get("optional")) == optional]


def variant_of(dialect: Dialect, entry: Json, is_named: bool = True) -> str:
    """Returns what a kind of artifact is, as arguments or members, with their names or in order."""
    members = {key: dialect.text(entry[key]) for key in ("runtime", "precision", "backend")}
    members["executedHere"] = "true" if entry["executed_here"] else "false"
    if not is_named:
        return ", ".join(members.values())
    return ", ".join(f"{name}: {value}" for name, value in members.items())
