"""The server: HTTP on a port of loopback, one thread a connection."""

import gzip
import json
import re
import socket
import threading
import time
from base64 import b64decode
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import unquote

from tests.wandb_server.account import Account, Run
from tests.wandb_server.faults import Fault, Kind
from tests.wandb_server.operations import Operations, Refused

KEY: Final = "feedc0de" * 5
_STREAM: Final = re.compile(r"^/files/([^/]+)/([^/]+)/([^/]+)/file_stream$")
_OPERATION: Final = re.compile(r"\b(?:query|mutation)\s+(\w+)")


class WandbServer:
    """Starts with the first `with`; `refuse` closes its port for a while, `fail` makes requests fail."""

    def __init__(self, entity: str = "lab") -> None:
        self.account = Account(entity)
        self.lock = threading.Condition()
        self.requests: Counter[str] = Counter()
        self.unknown: list[str] = []
        """Operations and addresses that it does not know, and rows that cannot be right: a test looks that it is empty."""
        self.faults: list[Fault] = []
        self.operations = Operations(self.account, lambda path: f"{self.url}/upload/{path}")
        self._http: _Http | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()

    def listen(self) -> None:
        """On the same port as before."""
        self._http = _Http(self, self._port)
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def refuse(self) -> None:
        """Nothing listens any more, and connections are cut."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def refuse_after(self, name: str, count: int) -> None:
        """Refuse from the next such request on; it is not answered."""

        def wait() -> None:
            self.wait_for(name, count + 1)
            self.refuse()

        self.fail("silent", name, skip=count)
        threading.Thread(target=wait, daemon=True).start()

    def fail(self, kind: Kind, *names: str, skip: int = 0, times: int | None = None) -> Fault:
        fault = Fault(kind, frozenset(names), skip, times)
        with self.lock:
            self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """All faults are over, and those who wait for an answer are let go."""
        with self.lock:
            for fault in self.faults:
                fault.over.set()
            self.faults.clear()

    def run(self, trial_id: str) -> Run:
        """The run of a trial, whose run id begins with that of the trial."""
        (found,) = [run for name, run in self.account.runs.items() if name.startswith(trial_id)]
        return found

    def wait_for(self, name: str, count: int, seconds: float = 60.0) -> None:
        """Until so many requests of that name have come."""
        ends = time.monotonic() + seconds
        with self.lock:
            while self.requests[name] < count:
                assert self.lock.wait(ends - time.monotonic()), f"{self.requests[name]} {name} in {seconds} s"


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, owner: WandbServer, port: int) -> None:
        self.owner, self._open = owner, set[socket.socket]()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed closes its connections: nothing to tell."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: _Http

    def do_POST(self) -> None:
        body = self._body()
        stream = _STREAM.match(self.path)
        if stream:
            self._serve("file_stream", lambda: self._stream(unquote(stream[3]), json.loads(body)))
        elif self.path == "/graphql":
            asked = json.loads(body)
            name = asked.get("operationName") or _OPERATION.findall(asked["query"])[0]
            self._serve(name, lambda: self._graphql(name, asked))
        elif self.path.startswith("/sdk/otel/"):  # the SDK's counts of itself
            self._answer(200, {})
        else:
            self._strange(f"POST {self.path}")

    def do_PUT(self) -> None:
        body = self._body()
        kind, owner, name = unquote(self.path.removeprefix("/upload/")).split("/", 2)
        self._serve("upload", lambda: self._store(kind, owner, name, body), key_needed=False)

    def do_GET(self) -> None:
        self._strange(f"GET {self.path}")

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at what was kept, not at a log."""

    def _serve(self, name: str, act: Any, key_needed: bool = True) -> None:
        owner = self.server.owner
        with owner.lock:
            owner.requests[name] += 1
            owner.lock.notify_all()
            fault = next((fault for fault in owner.faults if fault.strikes(name)), None)
            refused = key_needed and not self._has_key()
            answer = act() if not refused and (fault is None or fault.kind == "lost") else {}
        if refused:
            self._answer(401, {"errors": [{"message": "user is not logged in"}]})
        elif fault is None:
            self._answer(200, answer)
        elif fault.kind == "silent":
            fault.over.wait()
            self.close_connection = True
        else:
            code = 500 if fault.kind == "lost" else int(fault.kind)
            self._answer(code, {"errors": [{"message": f"told to answer with {code}"}]})

    def _has_key(self) -> bool:
        kind, _, message = (self.headers.get("Authorization") or "").partition(" ")
        return kind == "Basic" and b64decode(message).decode() == f"api:{KEY}"

    def _graphql(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            found = self.server.owner.operations.answer(name, asked.get("variables") or {})
        except Refused as refused:
            return {"data": None, "errors": [{"message": str(refused), "path": [name]}]}
        if found is None:
            self.server.owner.unknown.append(f"{name}: {asked['query']} {asked.get('variables')}")
            return {"errors": [{"message": f"{name} is not known here"}]}
        return {"data": found}

    def _stream(self, run_name: str, message: dict[str, Any]) -> dict[str, Any]:
        run = self.server.owner.account.runs[run_name]
        try:
            for stream, part in (message.get("files") or {}).items():
                run.put(stream, part.get("offset", 0), part["content"])
        except ValueError as gap:
            self.server.owner.unknown.append(f"{run_name}: {gap}")
        run.preempting |= bool(message.get("preempting"))
        if message.get("complete"):
            run.complete, run.exit_code = True, message.get("exitcode")
        return {}

    def _store(self, kind: str, owner: str, name: str, body: bytes) -> dict[str, Any]:
        account = self.server.owner.account
        (account.runs[owner] if kind == "run" else account.artifacts[owner]).files[name] = body
        return {}

    def _strange(self, what: str) -> None:
        self.server.owner.unknown.append(what)
        self._answer(404, {"error": "not known here"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            found = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            found = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(found) if self.headers.get("Content-Encoding") == "gzip" else found

    def _answer(self, code: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
