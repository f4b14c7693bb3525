"""The null SUT: canned replies, as fast as Python can send them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import ssl
import sys
from typing import cast

import uvloop

OK = {"status": "ok"}
GREETING = {"message": "Hello, World!"}
ACCEPTED = {"status": "success", "data": {"task_id": "task_123456"}}
REFUSED = {
    "status": "error",
    "code": "validation_failed",
    "details": [{"field": field} for field in ("model_name", "prompt", "temperature")],
}
TURNED_AWAY = {"status": "error", "code": "too_many_requests"}
MOST = int(os.environ.get("WEBDYNO_RATE_LIMIT", "").partition("/")[0] or sys.maxsize)
"""How many requests are taken on, where a limit is given."""
DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {path: {} for path in ("/healthz", "/json", "/api/ai/history/{user_id}", "/api/ai/generate")},
    "components": {"schemas": {"Padding": {"description": "x" * 9800}}},
}
ABOUT = {
    "billing": rb"invoice|subscription",
    "cooking": rb"butter|dough",
    "health": rb"doctor|surgery",
    "sport": rb"match|penalty",
    "technology": rb"laptop|software",
    "travel": rb"luggage|passport",
}
"""What stands first in the scenario's texts, by category."""
ABOUT_WHAT = re.compile(b"|".join(b"(%b)" % words for words in ABOUT.values()))
TOKEN = {
    "access_token": f"eyJ{'x' * 33}.eyJ{'x' * 70}.{'x' * 43}",
    "token_type": "bearer",
    "expires_in": 3600,
}
PROMPTS = {
    "summary": "总结以下内容({}):{}",
    "translation": "翻译为{}:{}",
    "creation": "基于以下内容创作{}文案:{}",
}
WORDS = " and so on" * 35
HISTORY = b"/api/ai/history/"
DOCUMENTS = b"/api/ai/documents"
ROWS = 100


def reply(status: bytes, value: object, more: bytes = b"") -> bytes:
    """Return a whole response; `more` are header lines of its own."""
    body = json.dumps(value).encode()
    head = b"HTTP/1.1 %b\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, more, len(body)) + body


def history_of(user_id: int) -> dict[str, object]:
    """Return a history as large as a real one."""
    content = f"chat of user {user_id}: " + "x" * 150
    times = (f"2025-01-{1 + row // 24:02d}T{row % 24:02d}:00:00+00:00" for row in range(ROWS))
    return {"user_id": user_id, "history": [{"content": content, "time": time} for time in times]}


def document(number: int) -> dict[str, object]:
    """Return a document that is there from the start."""
    content = f"Document {number}. " + "What is sealed here is read by nobody else. " * (5 + number % 40)
    created = "2025-01-01T00:00:00.000000+00:00"
    return {"id": number, "title": f"document {number}", "content": content, "created": created}


def text(asked: bytes) -> bytes:
    """Return a text that was there before; a client knows it by its prompt's digest."""
    body = json.loads(asked)
    prompt = PROMPTS[body["task_type"]].format(body["target_language"], body["content"])
    result = hashlib.sha256(prompt.encode()).hexdigest()[:16] + WORDS
    return reply(b"200 OK", {"task_type": body["task_type"], "result": result}, b"X-Cache: hit\r\n")


REPLIES = {
    b"/healthz": reply(b"200 OK", OK),
    b"/json": reply(b"200 OK", GREETING),
    b"/api/ai/generate": reply(b"200 OK", ACCEPTED),
    b"/token": reply(b"200 OK", TOKEN, b"Cache-Control: no-store\r\n"),
    b"/openapi.json": reply(b"200 OK", DOCUMENT),
}
REPLIES |= {HISTORY + b"%d" % user_id: reply(b"200 OK", history_of(user_id)) for user_id in range(1, 1001)}
REPLIES |= {DOCUMENTS + b"/%d" % number: reply(b"200 OK", document(number)) for number in range(1, 1001)}
REPLIES[DOCUMENTS] = reply(b"201 Created", {"id": 1001}, b"Location: /api/ai/documents/1001\r\n")
NOT_FOUND = reply(b"404 Not Found", {"status": "error"})
CLASSIFIED = [NOT_FOUND, *(reply(b"200 OK", {"category": category}) for category in ABOUT)]
BROKEN = reply(b"422 Unprocessable Content", REFUSED)
TOO_MANY = reply(b"429 Too Many Requests", TURNED_AWAY, b"Retry-After: 3600\r\n")


class Null(asyncio.Protocol):
    """Answers each packet with the reply of the path in its first line; a request is one packet here."""

    transport: asyncio.Transport
    answered = 0
    """Of all connections: what arrived, counted where no client can be wrong about it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Answer."""
        Null.answered += 1
        path = data.split(b" ", 2)[1]
        if path == b"/api/ai/generate" and Null.answered > MOST:
            self.transport.write(TOO_MANY)
        elif path == b"/api/ai/generate" and b"gpt-four" in data:
            self.transport.write(BROKEN)
        elif path == b"/api/ai/classify":
            found = ABOUT_WHAT.search(data)
            self.transport.write(CLASSIFIED[(found.lastindex if found else None) or 0])
        elif path == b"/api/ai/text":
            self.transport.write(text(data.partition(b"\r\n\r\n")[2]))
        elif path == b"/answered":
            self.transport.write(reply(b"200 OK", {"answered": Null.answered}))
        else:
            self.transport.write(REPLIES.get(path, NOT_FOUND))


def by_tls(cert: str, key: str) -> ssl.SSLContext:
    """Return what makes a server speak TLS as the base variants do."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    return context


async def serve(host: str, port: int, *files: str) -> None:
    """Serve until the process is ended, by TLS where it is given a certificate's file and its key's."""
    tls = by_tls(*files) if files else None
    server = await asyncio.get_running_loop().create_server(Null, host, port, backlog=4096, ssl=tls)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
