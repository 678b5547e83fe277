"""How the service says no."""

from __future__ import annotations

from trioclient.testing import Reply, reply

__all__ = ["Refusal", "error_body"]

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}


def error_body(error_type: str, message: str, request_id: str | None = None) -> dict[str, object]:
    """An error as it stands in a body, an event or a batch's results."""
    body: dict[str, object] = {"type": "error", "error": {"type": error_type, "message": message}}
    return body if request_id is None else {**body, "request_id": request_id}


class Refusal(Exception):
    """The request is answered with an error, whose status goes with its type."""

    def __init__(self, error_type: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.headers = headers or {}

    def reply(self, headers: dict[str, str]) -> Reply:
        body = error_body(self.error_type, self.message, headers.get("request-id"))
        return reply(_STATUSES[self.error_type], json=body, headers={**headers, **self.headers})
