"""The client core through which Python programs call JSON HTTP APIs, written for trio."""

from ._version import __version__ as __version__
