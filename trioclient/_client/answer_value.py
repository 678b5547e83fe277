"""The value of a whole answer, by the type the call asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import trio

from .._codec.decode import AnswerFault, answer_decoder
from .._codec.redact import redact_url
from .._engine.failure import error_of
from .._faults import LimitFault

if TYPE_CHECKING:
    from .._codec.decode import AnswerDecoder
    from .._engine.call import Answer, CallTrace
    from .._types import Limits

__all__ = ["decoded_answer", "value_decoder"]


def value_decoder(cast_to: Any, *, strict: bool) -> AnswerDecoder | None:
    """What makes a value of a whole answer; None for an ``httpx.Response``. Raises TypeError."""
    return None if cast_to is httpx.Response else answer_decoder(cast_to, strict=strict)


def decoded_answer(
    answer: Answer, trace: CallTrace, decoder: AnswerDecoder | None, limits: Limits, *, read_at: float | None = None
) -> Any:
    """The value of a whole answer, read now or at that instant. Raises an `APIError`."""
    if decoder is None:
        request = msgspec.structs.replace(trace.call.record(), method=answer.method, url=redact_url(str(answer.target)))
        return answer.record().to_httpx(request)
    try:
        return decoder.decode(answer.content, answer.content_type, max_depth=limits.max_json_depth)
    except (AnswerFault, LimitFault) as fault:
        kept = answer._replace(content=answer.content[: limits.max_error_body_bytes])
        now = trio.current_time() if read_at is None else read_at
        raise error_of(trace, fault, now, answer=kept) from fault
