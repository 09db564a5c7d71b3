"""What the global API signs, and how a signature travels in its header.

Source: Alipay's "Sign a request and verify the signature" (global.alipay.com/docs/ac/ams/digital_signature).
"""

from typing import Final
from urllib.parse import unquote

SANDBOX_CLIENT_PREFIX: Final = "SANDBOX_"


def sandboxed_path(path: str, client_id: str) -> str:
    """The path to request *and to sign*: ``SANDBOX_…`` clients use ``/ams/sandbox/api`` on the same host."""
    if client_id.startswith(SANDBOX_CLIENT_PREFIX):
        return path.replace("/ams/api", "/ams/sandbox/api", 1)
    return path


def string_to_sign(method: str, path: str, client_id: str, time: str, body: bytes) -> bytes:
    """The exact bytes both sides sign.

    For an answer, `method` and `path` are those of the request it answers and `time` is its response-time. For a
    notification they are those of our own endpoint. `time` is opaque (milliseconds or ISO 8601, as sent). `body`
    is what travels, byte for byte: to parse and print it again would break the signature.
    """
    return f"{method} {path}\n{client_id}.{time}.".encode() + body


def signature_header(signature: str, key_version: int = 1) -> str:
    """The value of the ``signature`` header for a signature in base64."""
    # All that base64 has of what URLs do not. urllib looks at each character, which takes 15 times as long.
    encoded = signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"algorithm=RSA256,keyVersion={key_version},signature={encoded}"


def signature_in(header: str) -> str:
    """The base64 in ``algorithm=…, keyVersion=…, signature=…``; "" if there is none.

    Alipay's documents print a space after each comma, its servers none. URL-encoding is optional. The named algorithm
    is not consulted: there is one, and it is always what is checked.
    """
    # Of several the last one counts, and usually it is the last part.
    for part in reversed(header.split(",")):
        name, _, value = part.partition("=")
        if name.strip().lower() == "signature":
            # Usually all that is encoded; urllib, which takes ten times as long, has the rest.
            known = value.strip().replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
            return unquote(known)
    return ""
