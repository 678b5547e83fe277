"""An object whose tag nobody declared."""

from __future__ import annotations

from typing import Any, NoReturn, final

__all__ = ["UnknownVariant"]


@final
class UnknownVariant:
    """An object whose tag none of the declared types has, as loose decoding keeps it.

    Servers add variants; clients that were built before meet them as this. Sent back in a
    ``body`` it is the object that came. Immutable.
    """

    # No Struct and no dataclass, whose fields msgspec would write in place of the object.
    __slots__ = ("data", "tag")
    __match_args__ = ("tag", "data")

    tag: str | int | None
    """What the tag field says; None where it is missing, or neither a string nor an integer."""
    data: dict[str, Any]
    """The whole object as sent, the tag field included."""

    def __init__(self, tag: str | int | None, data: dict[str, Any]) -> None:
        object.__setattr__(self, "tag", tag)
        object.__setattr__(self, "data", data)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an UnknownVariant cannot be changed: {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an UnknownVariant cannot be changed: {name!r}")

    def __repr__(self) -> str:
        return f"UnknownVariant(tag={self.tag!r}, data={self.data!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnknownVariant):
            return NotImplemented
        return (self.tag, self.data) == (other.tag, other.data)

    __hash__ = None  # type: ignore[assignment] -- it holds a dict

    def __reduce__(self) -> tuple[type[UnknownVariant], tuple[str | int | None, dict[str, Any]]]:
        return UnknownVariant, (self.tag, self.data)
