"""What can go wrong with data, one class per cause; every message is meant to be read by the user."""

from __future__ import annotations


class DataError(Exception):
    """Base of all errors of `mintdsl.data`."""


class UnknownDataset(DataError):
    """The data set or the split asked for is not in the registry."""


class DataNotFound(DataError):
    """The files are not there; the message says where they were looked for and how to get them."""


class MalformedFile(DataError):
    """A file is there but is truncated or not in the format its name promises."""


class ChecksumError(DataError):
    """A file is well formed but its contents are not those of the data set."""


class FetchError(DataError):
    """A route to the data failed: a tool is missing, a command failed, or it gave other files."""
