"""Who may ask: the right Host, no foreign Origin, and the token. What is answered carries no permissive header.

A page of another site can send requests to this machine, and a name of its own can be made to point here; neither
passes. The token is in the link that is opened, and from then on in a cookie that scripts cannot read. It is never
logged: nothing here logs requests at all.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everysum.errors import EverysumError, UsageError
from everysum.server.answers import refusal

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HOST = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::\d{1,5})?|(?P<name>[A-Za-z0-9.\-]+)(?::\d{1,5})?")
TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,256}")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing from anywhere else, nothing inline, and no text that becomes markup."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Admission:
    """Where the server listens and the token that it wants; a random one unless the user has set it."""

    host: str = "127.0.0.1"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @classmethod
    def of(cls, host: str, token: str | None) -> Admission:
        """The admission for what the user asked for; an open host needs a token of theirs."""
        if token is not None and not TOKEN.fullmatch(token):
            raise UsageError("EVERYSUM_TOKEN cannot be used", wanted="16 to 256 letters, digits, and - . _ ~")
        if token is not None:
            return cls(host, token)
        if host not in LOOPBACK:
            raise UsageError(
                f"--host {host} lets other machines in, and there is no token for them",
                wanted="a token of yours, known to those who may come in",
                advice="set EVERYSUM_TOKEN to a long secret, or leave --host out to stay on this machine",
            )
        return cls(host)

    def knows_host(self, header: str | None) -> bool:
        """Whether a Host header names this machine. A foreign page's name never does: only addresses and own names."""
        match = HOST.fullmatch(header or "")
        if match is None:
            return False
        name = (match["six"] or match["name"]).lower()
        if name in LOOPBACK:
            return True
        return self.host not in LOOPBACK and (
            name in {self.host.lower(), socket.gethostname().lower()} or numeric(name)
        )

    def accepts(self, token: str | None) -> bool:
        return token is not None and hmac.compare_digest(token.encode(), self.token.encode())


def numeric(name: str) -> bool:
    """Whether a name is an IP address: those cannot be made to point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Lets a request through to the application, or answers it."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app, self.admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            answer = self.answer(scope)
            await (answer or self.app)(scope, receive, hardened(send))

    def answer(self, scope: Scope) -> Response | None:
        """The answer to a request that does not go through; None lets it through."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.admission.knows_host(hosts[0]):
            return refusal(421, EverysumError("this server does not answer to that name"), close=True)
        if not own_origin(headers, hosts[0], scope["method"]):
            return refusal(403, EverysumError("a page of another site asked; only everysum's own page may"), close=True)
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
        cookie = cookie_name(scope)
        if asked is not None and self.admission.accepts(asked) and scope["method"] == "GET":
            return self.welcome(scope["path"], cookie)
        if not any(self.admission.accepts(token) for token in (cookie_of(headers, cookie), bearer(headers))):
            return refusal(401, EverysumError("the link lacks its token", advice="open the link that everysum printed"))
        return None

    def welcome(self, path: str, cookie: str) -> Response:
        """To the same page without the token, which goes into a cookie that only this server is sent."""
        answer = RedirectResponse("/" + quote(path.lstrip("/\\")), status_code=303)
        answer.set_cookie(cookie, self.admission.token, httponly=True, samesite="lax", path="/")
        return answer


def own_origin(headers: Headers, host: str, method: str) -> bool:
    """Whether a request comes from this server's own page, or from no page at all (a link, a program)."""
    origin = headers.get("origin")
    if origin is not None:
        return origin in (f"http://{host}", f"https://{host}")
    opened = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
    return headers.get("sec-fetch-site", "none") in ("none", "same-origin") or opened


def cookie_name(scope: Scope) -> str:
    """Cookies do not tell ports apart: each port's has a name of its own."""
    return f"everysum-{(scope.get('server') or ('', 0))[1]}"


def cookie_of(headers: Headers, name: str) -> str | None:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None


def bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def hardened(send: Send) -> Send:
    """A `send` that puts the house's headers on every answer."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return with_headers
