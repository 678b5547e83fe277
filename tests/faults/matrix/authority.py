"""Certificates: good ones, and every kind of bad one."""

from __future__ import annotations

import datetime
import functools
import ssl
import warnings

import trustme

__all__ = ["Authority"]

_UTC = datetime.timezone.utc
_PAST = datetime.datetime(2001, 1, 1, tzinfo=_UTC)
_FUTURE = datetime.datetime(2101, 1, 1, tzinfo=_UTC)


class Authority:
    """Issues the certificates of the far ends, and is trusted by the clients."""

    def __init__(self) -> None:
        self._own = trustme.CA()
        self.client = ssl.create_default_context()
        self._own.configure_trust(self.client)

    @functools.cached_property
    def good(self) -> ssl.SSLContext:
        return _context(self._own.issue_cert("127.0.0.1"))

    @functools.cached_property
    def stranger(self) -> ssl.SSLContext:
        """From an authority nobody trusts."""
        return _context(trustme.CA().issue_cert("127.0.0.1"))

    @functools.cached_property
    def other_name(self) -> ssl.SSLContext:
        return _context(self._own.issue_cert("example.com"))

    @functools.cached_property
    def other_address(self) -> ssl.SSLContext:
        return _context(self._own.issue_cert("127.0.0.2"))

    @functools.cached_property
    def expired(self) -> ssl.SSLContext:
        return _context(self._own.issue_cert("127.0.0.1", not_before=_PAST, not_after=_PAST))

    @functools.cached_property
    def not_yet_valid(self) -> ssl.SSLContext:
        return _context(self._own.issue_cert("127.0.0.1", not_before=_FUTURE, not_after=_FUTURE))

    @functools.cached_property
    def old(self) -> ssl.SSLContext:
        """Speaks nothing newer than TLS 1.1."""
        context = _context(self._own.issue_cert("127.0.0.1"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    @functools.cached_property
    def no_common_cipher(self) -> ssl.SSLContext:
        context = _context(self._own.issue_cert("127.0.0.1"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("NULL-SHA256:@SECLEVEL=0")
        return context

    @functools.cached_property
    def mutual(self) -> ssl.SSLContext:
        """Wants a certificate of the client, too. Under TLS 1.3 it says no after the handshake."""
        context = _context(self._own.issue_cert("127.0.0.1"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    @functools.cached_property
    def mutual_before_13(self) -> ssl.SSLContext:
        """The same; it says no within the handshake."""
        context = _context(self._own.issue_cert("127.0.0.1"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
