"""JSON on the data plane: fast, and with the NaN and Infinity tokens that Python and TensorFlow clients send."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from .errors import bad

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decode(body: bytes) -> Any:
    """Return the document in a request's body. Raises :class:`RequestError`."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad(f"The body is not valid JSON: {error or 'nested too deeply'}.") from error


def encode(value: Any) -> bytes:
    """Return a document of JSON values as bytes."""
    return _encoder.encode(value)
