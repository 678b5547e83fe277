"""What counts as a credential, and how it is struck out or left behind.

A name is judged by the words in it, so that a header nobody has heard of yet
(``X-Acme-Api-Key``) is caught too. Striking out one value too many costs a line in a log;
one too few is a leak. Every scan is linear in its input.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from .._types import Headers, RawHeaders

__all__ = [
    "REDACTED",
    "credential_headers",
    "drop_credentials",
    "is_secret_header",
    "redact_headers",
    "redact_url",
]

REDACTED: Final = "[redacted]"

_ANYWHERE: Final = (
    "authorization",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "session",
    "signature",
    "token",
    "jwt",
    "apikey",
    "accesskey",
    "privatekey",
)
_WHOLE_WORD: Final = ("auth", "bearer", "key", "pass", "pwd", "sig", "sign")
_SECRET_NAME: Final = re.compile("|".join((*_ANYWHERE, *(rf"\b{word}\b" for word in _WHOLE_WORD))))

# "key" is a word of these too, and they are what a log is searched for.
_HARMLESS_NAME: Final = re.compile(r"idempoten|surrogate key|sec websocket key")
# Counts of model tokens, not credentials: x-ratelimit-remaining-tokens, max_tokens.
_COUNTED_NAME: Final = re.compile(r"limit|\bmax\b|\bmin\b")
# An OAuth authorization code, and how Azure Functions takes its key.
_SECRET_PARAMETERS: Final = frozenset({"code"})

# Their values are URLs, and worth reading once the secrets in those are struck out.
_URL_HEADERS: Final = frozenset({"content-location", "location", "referer"})

_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")
_USERINFO: Final = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/?#]*@")
_PARAMETER: Final = re.compile(r"([?&;#])([^=&;#?]*)=([^&;#]*)")


@functools.lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    words = _SEPARATORS.sub(" ", name.lower())
    if _COUNTED_NAME.search(words):
        words = words.replace("tokens", "")
    return _SECRET_NAME.search(words) is not None and _HARMLESS_NAME.search(words) is None


def is_secret_header(name: str) -> bool:
    """Whether a header of this name, in any case, is likely to hold a credential."""
    return _is_secret_name(name)


def redact_headers(pairs: Iterable[tuple[str, str]], also: frozenset[str] = frozenset()) -> tuple[tuple[str, str], ...]:
    """The same headers with every credential's value replaced by ``[redacted]``.

    `also` holds further names, lower-case, to strike out.
    """
    return tuple((name, _shown_value(name, value, also)) for name, value in pairs)


def _shown_value(name: str, value: str, also: frozenset[str]) -> str:
    lower = name.lower()
    if lower in also or _is_secret_name(lower):
        return REDACTED
    return redact_url(value) if lower in _URL_HEADERS else value


def redact_url(url: str) -> str:
    """The URL without its userinfo, and with secret-looking parameters as ``[redacted]``.

    Takes relative references and malformed URLs as well; never raises.
    """
    return _PARAMETER.sub(_shown_parameter, _USERINFO.sub(r"\1", url))


def _shown_parameter(match: re.Match[str]) -> str:
    separator, name, _ = match.groups()
    plain_name = unquote(name)
    if plain_name.lower() in _SECRET_PARAMETERS or _is_secret_name(plain_name):
        return f"{separator}{name}={REDACTED}"
    return match[0]


def credential_headers(extra: Headers | None) -> frozenset[str]:
    """The names, lower-case, of the headers a subclass's ``auth_headers`` gave: credentials by
    where they come from, whatever they are called.
    """
    return frozenset(name.lower() for name in extra or ())


def drop_credentials(raw: RawHeaders, also: frozenset[str] = frozenset()) -> RawHeaders:
    """The header lines that may follow a redirect to another origin.

    `also` is what `credential_headers` returned.
    """
    return [line for line in raw if not _is_credential(line[0].decode("latin-1").lower(), also)]


def _is_credential(lower_name: str, also: frozenset[str]) -> bool:
    return lower_name in also or _is_secret_name(lower_name)
