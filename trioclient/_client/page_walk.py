"""What the pages of both clients are, and how one leads to the next.

A `Walk` is what somebody asked to list: a request, a page class, a client. A page remembers its
`Place` in a walk, outside of its fields: neither encoded nor compared, and not carried along by a
copy. Nothing refers back from a walk to its pages, nor from one page to the one before, so a list
of any length is gone through in the memory of a page or two.

The pages of the blocking client are fetched by the same walk, on the portal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast, get_origin

import msgspec

from .._codec.decode import AnswerFault, answer_decoder
from .._errors import APIResponseValidationError, LimitExceeded
from .._policy.next_page import ListRequest, PageInfo, Trail, fingerprint, next_request
from .._types import NOT_GIVEN, NotGiven, Omit, checked_int
from .answer_value import decoded_answer
from .arguments import checked_mapping, checked_method

if TYPE_CHECKING:
    from .._codec.url import Target
    from .._engine.call import Answer, CallTrace, PreparedCall
    from .._portal import Lease
    from .._request_options import RequestOptions
    from .._types import Limits

__all__ = ["BasePage", "PageDecoder", "Walk", "items_of", "list_request", "page_after", "walk_of"]

T = TypeVar("T")
PageT = TypeVar("PageT", bound="BasePage[Any]")

_PLACE = "_trioclient_place"


class BasePage(msgspec.Struct, Generic[T], dict=True):
    """One page of a list: a Struct that knows its items and how to ask for more.

    A subclass has the fields of the answer and the two methods below; it may override
    `has_next_page` too. It is written once, and gets one subclass for each client:

        class CursorPage(BasePage[T], Generic[T]):
            data: list[T]
            next_cursor: str | None = None

            def _get_page_items(self) -> list[T]:
                return self.data

            def next_page_info(self) -> PageInfo | None:
                return PageInfo(params={"cursor": self.next_cursor}) if self.next_cursor else None

        class AsyncCursorPage(CursorPage[T], BaseAsyncPage[T], Generic[T]): ...
        class SyncCursorPage(CursorPage[T], BaseSyncPage[T], Generic[T]): ...
    """

    def _get_page_items(self) -> list[T]:
        """The items. Override. None stands for none, as for a list the server left out."""
        raise NotImplementedError(f"{type(self).__name__} must override _get_page_items()")

    def next_page_info(self) -> PageInfo | None:
        """How to ask for the next page; None on the last one. Override."""
        raise NotImplementedError(f"{type(self).__name__} must override next_page_info()")

    def has_next_page(self) -> bool:
        """Whether iteration goes on: not after a page without items, nor after the last one."""
        return bool(items_of(self)) and self.next_page_info() is not None

    def _get_request_params(self) -> Mapping[str, object]:
        """The ``options["params"]`` of the request that brought this page, for `next_page_info`."""
        place = _place_of(self)
        params = {} if place is None else place.request.options.get("params", {})
        return {name: value for name, value in params.items() if value is not None and not isinstance(value, Omit)}


class Place(NamedTuple):
    """Where a page stands in its walk."""

    walk: Walk[Any]
    request: ListRequest
    call: PreparedCall
    """What was made of `request`."""
    answered: Target
    """Where redirects led it."""
    number: int
    """1 for the page the walk was begun at."""
    trail: Trail


def _place_of(page: BasePage[Any]) -> Place | None:
    return vars(page).get(_PLACE)


def _known_place_of(page: BasePage[Any]) -> Place:
    place = _place_of(page)
    if place is None:
        raise RuntimeError(f"this {type(page).__name__} did not come from get_api_list: no client knows what is next")
    return place


def walk_of(page: PageT) -> Walk[PageT]:
    """The walk the page belongs to. Raises RuntimeError where it belongs to none."""
    return _known_place_of(page).walk


async def page_after(page: PageT) -> PageT:
    """Fetch the next page. Raises an `APIError`, and RuntimeError where there is none."""
    info = page.next_page_info()
    if info is None:
        raise RuntimeError("this is the last page: ask has_next_page() before get_next_page()")
    place = _known_place_of(page)
    return await place.walk.after(place, info)


def items_of(page: BasePage[T]) -> Sequence[T]:
    """What the page holds. Raises `APIResponseValidationError` where the server sent no list."""
    items = cast("object", page._get_page_items())  # pyright: ignore[reportPrivateUsage] -- protected for its authors' sake
    if items is None:
        return ()
    if not isinstance(items, (list, tuple)):
        message = f"expected the items of the page as a list, found {type(items).__name__}"
        raise _misfit(_place_of(page), message, "_get_page_items()")
    return cast("Sequence[T]", items)


def list_request(method: str, path: str, body: object, options: RequestOptions) -> ListRequest:
    """With options of its own: what the caller does to theirs later is not to be seen half-way."""
    own: Any = dict(checked_mapping(options, "options"))
    for name in ("headers", "params", "extra_json"):
        # None would stand in the way of what is laid over it.
        if own.get(name, {}) is None:
            del own[name]
        elif isinstance(own.get(name), Mapping):
            own[name] = dict(own[name])
    if isinstance(method, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        method = method.upper()
    return ListRequest(checked_method(method), path, body, own)


class Walk(Generic[PageT]):
    """Gets the pages of one list, the first one and each after another. Holds none of them."""

    lease: Lease | None = None
    """What the pages of a blocking client are fetched on."""

    def __init__(
        self,
        prepare: Callable[..., PreparedCall],
        run: Callable[[PreparedCall], Awaitable[tuple[Answer, CallTrace]]],
        request: ListRequest,
        decoder: PageDecoder,
        limits: Limits,
        max_pages: int | NotGiven = NOT_GIVEN,
    ) -> None:
        """`prepare` and `run` are a client's, and its engine's. Raises TypeError or ValueError."""
        self._prepare = prepare
        self._run = run
        self._request = request
        self._decoder = decoder
        self._limits = limits
        self._max_pages = (
            limits.max_pages if isinstance(max_pages, NotGiven) else checked_int(max_pages, "max_pages", 1)
        )

    async def first(self) -> PageT:
        """The page the walk begins at, asked for anew each time. Raises an `APIError`."""
        call = self._prepared(self._request)
        page, answered = await self._fetch(call)
        return self._placed(page, Place(self, self._request, call, answered, 1, Trail([_step(call)])))

    async def after(self, place: Place, info: PageInfo) -> PageT:
        """The page after the one at `place`, which said `info` of it. Raises an `APIError`."""
        if place.number >= self._max_pages:
            raise LimitExceeded(
                f"max_pages ({self._max_pages:,}) was exceeded",
                limit="max_pages",
                value=self._max_pages,
                request=place.call.record(),
                sent="yes",
            )
        try:
            request = next_request(
                place.request,
                info,
                asked=place.call.target,
                answered=place.answered,
                credentials=place.call.credentials,
            )
        except ValueError as error:
            raise _misfit(place, f"{error}: {info!r}", "next_page_info()") from error
        call = self._prepared(request)
        step = _step(call)
        if place.trail.visited(step, place.number):
            message = f"the server named a page as the next one that it had given before: {info!r}"
            raise _misfit(place, message, "next_page_info()")
        page, answered = await self._fetch(call)
        number = place.number + 1
        return self._placed(
            page, Place(self, request, call, answered, number, place.trail.extended(step, place.number))
        )

    def _prepared(self, request: ListRequest) -> PreparedCall:
        return self._prepare(request.method, request.path, body=request.body, options=request.options)

    async def _fetch(self, call: PreparedCall) -> tuple[PageT, Target]:
        answer, trace = await self._run(call)
        return decoded_answer(answer, trace, self._decoder, self._limits), answer.target

    def _placed(self, page: PageT, place: Place) -> PageT:
        # Not an attribute set in the usual way: a frozen Struct would refuse it.
        vars(page)[_PLACE] = place
        return page


def _step(call: PreparedCall) -> bytes:
    return fingerprint(call.method, str(call.target), call.body.content or b"")


def _misfit(place: Place | None, message: str, method: str) -> APIResponseValidationError:
    """The error for what `method` of the page at `place` made of the answer."""
    if place is None:
        error = APIResponseValidationError(message)
    else:
        error = APIResponseValidationError(message, request=place.call.record(), sent="yes")
    error.advice = f"The server's answer is at fault, or {method} of the page class."
    return error


class PageDecoder:
    """Decodes to a page class, and takes nothing else, as loose decoding might."""

    def __init__(self, page: Any, model: object, kind: type[BasePage[Any]], *, strict: bool) -> None:
        """`page` must be a subclass of `kind`. Raises TypeError naming ``page``."""
        self._class: type[BasePage[Any]] = get_origin(page) or page
        if not (isinstance(self._class, type) and issubclass(self._class, kind)):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
            raise TypeError(f"page must be a subclass of {kind.__name__}, not {page!r}")
        try:
            # One that has its type already, or has none to be given, is meant as it is.
            page_type = page[model] if getattr(page, "__parameters__", ()) else page
            self._decoder = answer_decoder(page_type, strict=strict)
        except TypeError as error:
            raise TypeError(f"page={self._class.__name__} cannot be decoded with model={model!r}: {error}") from error

    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> object:
        """See `AnswerDecoder`."""
        page = self._decoder.decode(content, content_type, max_depth=max_depth)
        if isinstance(page, self._class):
            return cast("object", page)
        raise AnswerFault(f"expected {self._class.__name__}, found {type(page).__name__}", "$")
