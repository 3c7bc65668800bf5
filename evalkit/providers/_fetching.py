"""Files that a reply names by address: fetched from the host that was asked, and from nowhere else."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from evalkit.providers._failures import ErrorBody, refusal
from evalkit.providers._wire import Malformed
from evalkit.providers.transport import RawReply, Transport

LARGEST = 100_000_000


def beside(url: str, asked: str) -> str:
    """The absolute form of an address in a reply. Raises Malformed unless scheme, host and port are those asked.

    A server must not be able to send evalkit to other machines, such as those inside the user's network.
    """
    found = urljoin(asked, url)
    one, other = urlsplit(found), urlsplit(asked)
    if (one.scheme, one.netloc) != (other.scheme, other.netloc):
        host = one.netloc.rpartition("@")[2] or one.scheme
        raise Malformed(f"the reply names a file at {host:.100}; files are fetched from {other.netloc} only")
    return found


async def fetched(transport: Transport, url: str, asked: str, timeout_s: float) -> RawReply:
    """The file at an address of the host that was asked; no key is sent. Raises CallFailed, Malformed."""
    reply = await transport.request("GET", beside(url, asked), headers={}, body=None, timeout_s=timeout_s)
    if reply.status >= 300:
        raise refusal(reply.status, reply.headers, ErrorBody.read(reply.body), transport.redact)
    if len(reply.body) > LARGEST:
        raise Malformed(f"the file is larger than {LARGEST:,} bytes")
    return reply
