"""The TLS settings used where the caller gives none."""

from __future__ import annotations

import os
import ssl

__all__ = ["default_ssl_context"]


def default_ssl_context() -> ssl.SSLContext:
    """Verify against certifi's roots, or those of ``SSL_CERT_FILE`` / ``SSL_CERT_DIR``; offer http/1.1.

    For the operating system's roots pass ``truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)`` or
    ``ssl.create_default_context()`` as `ssl_context` instead.
    """
    cafile = os.environ.get("SSL_CERT_FILE") or None
    capath = os.environ.get("SSL_CERT_DIR") or None
    if cafile is None and capath is None:
        import certifi  # only where it is needed: it costs every import of the package else

        cafile = certifi.where()
    context = ssl.create_default_context(cafile=cafile, capath=capath)
    context.set_alpn_protocols(["http/1.1"])
    return context
