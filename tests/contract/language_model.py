"""A language model as far as OpenAI's protocol shows it, which can also refuse, hang and fail."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Mood = Literal["well", "hanging", "failing", "busy"]
KEY = "sk-of-this-test"
HANGS_S = 30.0


class LanguageModel:
    """Answers each prompt by its digest; counts what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.mood: Mood = "well"
        self.asked: list[dict[str, Any]] = []
        """The bodies of all requests."""
        self.ending = threading.Event()

    @property
    def variables(self) -> dict[str, str]:
        """What a SUT is told."""
        return {"WEBDYNO_LLM_URL": self.url, "WEBDYNO_LLM_KEY": KEY}


def text_for(prompt: str) -> str:
    """Return what the model answers."""
    return f"A text of {hashlib.sha256(prompt.encode()).hexdigest()}: 测功机 🚀"


@contextmanager
def serving_a_model(port: int = 0) -> Iterator[LanguageModel]:
    """Serve a language model on 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != "/v1/chat/completions" or self.headers["authorization"] != f"Bearer {KEY}":
                self._answer(401, {"error": {"message": "no"}})
                return
            model.asked.append(body)
            if model.mood == "hanging":
                model.ending.wait(HANGS_S)
                self.close_connection = True
            elif model.mood == "well":
                text = text_for(body["messages"][-1]["content"])
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                answer = {"id": "1", "object": "chat.completion", "created": int(time.time())}
                self._answer(200, {**answer, "model": body["model"], "choices": [choice], "usage": usage})
            else:
                self._answer(500 if model.mood == "failing" else 429, {"error": {"message": model.mood}})

        def _answer(self, status: int, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # of five, what comes at once would wait a second for its next try

    with Server(("127.0.0.1", port), Handler) as server:
        model = LanguageModel(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield model
        finally:
            model.ending.set()
            server.shutdown()
            thread.join()
