"""What can be wrong besides a call, and what the service calls its own errors.

All else is an error of trioclient's: `RateLimitError`, `InternalServerError` and so on.
"""

from __future__ import annotations

from typing import cast

from trioclient import APIError, APIResponseValidationError

from .message_types import Message

__all__ = ["MissingKeyError", "ToolInputError", "error_type"]


class MissingKeyError(ValueError):
    """Neither an argument nor the environment has an API key."""


class ToolInputError(APIResponseValidationError):
    """A tool's input is not whole JSON, most often because ``max_tokens`` cut it off.

    `path` says which block it is, `body` is the text of the input as far as it goes.
    """

    advice = "Do not run the tool. Raise max_tokens if stop_reason is 'max_tokens'."

    def __init__(self, final_message: Message, index: int, text: str) -> None:
        super().__init__(
            f"the input of a tool is not whole JSON (stop_reason {final_message.stop_reason!r})",
            path=f"$.content[{index}].input",
            body=text,
        )
        self.final_message = final_message
        """The message, with an empty input there."""


def error_type(error: APIError) -> str | None:
    """What the service calls an error: ``"overloaded_error"``, ``"invalid_request_error"`` ...

    None where the error is not the service's own.
    """
    body = error.body
    for key in ("error", "type"):
        body = cast("dict[object, object]", body).get(key) if isinstance(body, dict) else None
    return body if isinstance(body, str) else None
