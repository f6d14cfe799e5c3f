"""Fields of JSON bodies that take what JSON Schema takes, and nothing besides.

marshmallow's own read "5", true and 5.7 as the number 5, and "no" as false: what a device meant is
then guessed, and what the OpenAPI document says is not what the server does.
"""

import re
from typing import Any

from apiflask import fields

# Longer ones are beyond what any of our fields allows, and Python refuses to read them.
_DIGITS = re.compile(r"-?[0-9]{1,18}")


class Integer(fields.Integer):
    """A whole number; 5.0 is one in JSON, "5" and true are not."""

    def _validated(self, value: Any) -> Any:
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if not whole:
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class QueryInteger(fields.Integer):
    """A whole number in a query, which is text; " 5", "1_0" and "٣" are none."""

    def _validated(self, value: Any) -> Any:
        if not (isinstance(value, str) and _DIGITS.fullmatch(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Float(fields.Float):
    """A number; "5" and true are none."""

    def _validated(self, value: Any) -> Any:
        if type(value) not in (int, float):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Boolean(fields.Boolean):
    """True or false; 1 and "yes" are neither."""

    def _deserialize(self, value: Any, *others: Any, **more: Any) -> Any:
        if type(value) is not bool:
            raise self.make_error("invalid", input=value)
        return value
