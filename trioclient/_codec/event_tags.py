"""The name of an event as the tag of its data.

Where tagged Structs are asked for, an event that has a name and whose data, a JSON object, lacks
the tag field is decoded as if the name stood there: with ``tag_field="type"``, the event
``text_delta`` with ``{"text": "Hi"}`` as ``{"type": "text_delta", "text": "Hi"}``. A tag in the
data is the one that counts. Objects inside the data are left alone, and so is the data for any
other type: a dict, a TypedDict, a pydantic model, an array, a tag that is a number.

``message`` is what the HTML standard calls every event without a name. It stands for a tag only
where there is such a tag.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import inspect

from .lenient_types import union_members
from .pydantic_models import mentions_model

__all__ = ["EventTags", "event_tags"]

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def event_tags(cast_to: Any) -> EventTags | None:
    """The tags of a tagged Struct, or of a union of them; None for a type that has none.

    For types msgspec or pydantic decodes.
    """
    if mentions_model(cast_to):
        return None
    members = union_members(inspect.type_info(cast_to))
    structs = [member for member in members if isinstance(member, inspect.StructType)]
    variants = {struct.tag: struct.cls for struct in structs if isinstance(struct.tag, str)}
    # msgspec sees to it that those of one union are all tagged alike.
    if not variants or structs[0].tag_field is None or structs[0].array_like:
        return None
    return EventTags(structs[0].tag_field, variants)


class EventTags:
    """The tags that the objects of a type may have."""

    def __init__(self, key: str, variants: dict[str, type]) -> None:
        self.variants = variants
        """The Structs by their tags."""
        self._key = key

    def tagged(self, data: bytes, name: str) -> bytes:
        """The data of the event of this name with a tag in it; as it is where it has one or can have none."""
        says_nothing = name in ("", "message") and name not in self.variants
        if says_nothing or not self._lacks_tag(data):
            return data
        rest = data[data.index(b"{") + 1 :].lstrip()
        comma = b"" if rest.startswith(b"}") else b","
        return b"{%b:%b%b%b" % (msgspec.json.encode(self._key), msgspec.json.encode(name), comma, rest)

    def _lacks_tag(self, data: bytes) -> bool:
        try:
            return self._key not in _OBJECT.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return False
