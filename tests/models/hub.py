"""A small stand-in for the hub on this machine: its answers' form, ranges, and the ways in which it fails."""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

COMMIT = "c" * 40


@dataclass
class StandIn:
    """Serves ``files`` of the repository "owner/name". What it was asked for is in ``asked``."""

    files: dict[str, bytes]
    name: str = "owner/name"
    small: tuple[str, ...] = (".json", ".txt")  # endings of what is in git itself
    ranges: bool = True
    status: int = 200  # of what is said about the repository
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0  # a file's answer ends after so many bytes
    pace: float = 0.0  # seconds between two parts of a file
    said: dict[str, bytes] = field(default_factory=dict)  # contents whose checksums are told instead
    asked: list[tuple[str, str]] = field(default_factory=list)  # (path, range)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self) -> dict[str, Any]:
        return {"id": self.name, "sha": COMMIT, "siblings": [self._sibling(name) for name in self.files]}

    def _sibling(self, name: str) -> dict[str, Any]:
        content = self.said.get(name, self.files[name])
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        one: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git}
        if not name.endswith(self.small):
            sha256 = hashlib.sha256(content).hexdigest()
            one["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
        return one

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if hub.name in path:  # the client also asks what is not about a repository
                    hub.asked.append((path, self.headers.get("Range", "")))
                if path == f"/api/models/{hub.name}":
                    self._answer(hub.status, json.dumps(hub.told()).encode(), hub.headers)
                    return
                name = path.removeprefix(f"/{hub.name}/resolve/{COMMIT}/")
                if name not in hub.files:
                    self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
                    return
                self._file(hub.files[name])

            def _file(self, content: bytes) -> None:
                wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start = int(wanted[1]) if wanted and hub.ranges else 0
                self.send_response(206 if wanted and hub.ranges else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                rest = content[start : start + hub.cut] if hub.cut else content[start:]
                for k in range(0, len(rest), 1 << 16):
                    self.wfile.write(rest[k : k + (1 << 16)])
                    if hub.pace:
                        threading.Event().wait(hub.pace)
                self.close_connection = True

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
