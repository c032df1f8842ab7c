"""What goes wrong when it is told to, and what is recorded: the layer in front of the routes."""

import asyncio
import fnmatch
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass
class Exchange:
    """One request and its answer, as the server saw them. Tokens are not kept."""

    method: str
    path: str
    query: str
    host: str  # "hub" or "storage"
    authorized: bool  # it carried a token
    status: int | None = None
    received: int = 0  # bytes of the request's body
    sent: int = 0  # bytes of the answer's body

    @property
    def is_upload(self) -> bool:
        """Whether its body carries file contents."""
        return self.method == "PUT" and self.host == "storage" or self.method == "POST" and "/commit/" in self.path


@dataclass
class Fault:
    """One thing to go wrong. `kind` is answer, drop_upload or lose_answer; `times` None means until healed."""

    kind: str
    path: str
    times: int | None
    method: str | None = None
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int = 0
    then: int | None = None
    seen: int = 0
    fired: int = 0

    def concerns(self, exchange: Exchange) -> bool:
        spent = self.times is not None and self.fired >= self.times
        named = fnmatch.fnmatchcase(exchange.path, self.path) and self.method in (None, exchange.method)
        return named and not spent and (self.kind != "drop_upload" or exchange.is_upload)


class Control:
    """Tells the server to fail, and says what it could not do. Paths are shell patterns over the decoded path."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.problems: list[str] = []

    def fail(
        self,
        path: str,
        status: int = 500,
        *,
        times: int | None = 1,
        method: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Answer `status` to the next `times` requests for `path`, with Retry-After (seconds) if given."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.faults.append(Fault("answer", path, times, method, status, headers))

    def drop_upload(self, after_bytes: int, *, path: str = "*", times: int | None = 1, then: int | None = None) -> None:
        """Cut the connection once uploads for `path` (LFS contents, commits) have sent `after_bytes` bytes together.

        With `then`, later uploads get that status until `heal()`: a client that retries by itself gives up at once.
        """
        self.faults.append(Fault("drop_upload", path, times, after_bytes=after_bytes, then=then))

    def lose_answer(self, path: str, *, times: int | None = 1, method: str | None = None) -> None:
        """Do what is asked for `path`, then cut the connection instead of answering."""
        self.faults.append(Fault("lose_answer", path, times, method))

    def heal(self) -> None:
        """Stop failing. A fault that never happened is a problem: the test meant it to."""
        self.problems += [f"the fault never happened: {f.kind} {f.path}" for f in self.faults if not f.fired]
        self.faults.clear()

    def take(self, kind: str, exchange: Exchange) -> Fault | None:
        """The first fault of `kind` that concerns `exchange`, counted as happened."""
        for fault in self.faults:
            if fault.kind == kind and fault.concerns(exchange):
                fault.fired += 1
                return fault
        return None

    def cuts(self, exchange: Exchange, size: int) -> bool:
        """Whether the connection breaks with these `size` bytes of an upload."""
        for fault in self.faults:
            if fault.kind == "drop_upload" and fault.concerns(exchange):
                fault.seen += size
                if fault.seen > fault.after_bytes:
                    fault.fired += 1
                    self._refuse_later(fault.then)
                    return True
        return False

    def _refuse_later(self, status: int | None) -> None:
        if status is not None:
            uploads = (("PUT", "/storage/*"), ("POST", "*/commit/*"))
            self.faults += [Fault("answer", path, None, method, status, fired=1) for method, path in uploads]


class ConnectionCutError(Exception):
    """The connection was broken on purpose."""


class AbortableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, handing the socket to the application so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        inner = self.app

        async def application(scope: dict, receive: Callable, send: Callable) -> None:
            await inner({**scope, "abort": transport.abort}, receive, send)

        self.app = application


class Gate:
    """Outermost layer: records each exchange, makes the faults, and keeps paths percent-encoded for the routes."""

    def __init__(self, app: FastAPI, control: Control, exchanges: list[Exchange], storage_port: int) -> None:
        self.app, self.control, self.exchanges, self.storage_port = app, control, exchanges, storage_port

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        exchange = self._open(scope)
        counted_receive, counted_send = self._counted(exchange, scope, receive, send)
        try:
            fault = self.control.take("answer", exchange)
            if fault:
                await self._refuse(fault, scope, counted_receive, counted_send)
            else:
                await self.app({**scope, "path": scope["raw_path"].decode()}, counted_receive, counted_send)
        except (ConnectionCutError, ClientDisconnect):
            exchange.status = None
        except Exception as error:
            self.control.problems.append(f"the loopback Hub failed on {exchange.method} {exchange.path}: {error!r}")

    def _open(self, scope: dict) -> Exchange:
        host = "storage" if scope["server"][1] == self.storage_port else "hub"
        authorized = any(name == b"authorization" for name, _ in scope["headers"])
        path, query = unquote(scope["raw_path"].decode()), scope["query_string"].decode()
        exchange = Exchange(scope["method"], path, query, host, authorized)
        self.exchanges.append(exchange)
        if host == "storage" and authorized:
            self.control.problems.append("a token was sent to the storage host, which is another origin")
        return exchange

    @staticmethod
    async def _refuse(fault: Fault, scope: dict, receive: Callable, send: Callable) -> None:
        more = True
        while more:  # read the body first, so that the client is not still writing when the answer comes
            more = (await receive()).get("more_body", False)
        message = f"told to answer {fault.status}"
        await JSONResponse({"error": message}, fault.status, fault.headers)(scope, receive, send)

    def _counted(
        self, exchange: Exchange, scope: dict, receive: Callable, send: Callable
    ) -> tuple[Callable[[], Awaitable[dict]], Callable[[dict], Awaitable[None]]]:
        cut = False

        def break_off() -> None:
            nonlocal cut
            cut = True
            scope["abort"]()
            raise ConnectionCutError

        async def counted_receive() -> dict:
            message = await receive()
            size = len(message.get("body", b""))
            exchange.received += size
            if size and self.control.cuts(exchange, size):
                break_off()
            return message

        async def counted_send(message: dict) -> None:
            if cut:  # the framework's own attempt to answer 500
                return
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if self.control.take("lose_answer", exchange):
                    break_off()
            exchange.sent += len(message.get("body", b"")) if exchange.method != "HEAD" else 0
            await send(message)

        return counted_receive, counted_send
