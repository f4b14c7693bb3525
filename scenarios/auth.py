"""Tokens: a form that is parsed, a password that is compared, and a JWT that is signed.

`POST /token` with the one user's name and password, again and again. A token costs most of a millisecond of
CPU time; with more users than these they only queue.
"""

import os
import re
from urllib.parse import urlencode

from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ("keys",)
ENDPOINTS = ("POST /token",)
USERS = 200

FORM = urlencode(
    {"grant_type": "password", "username": "webdyno", "password": os.environ.get("WEBDYNO_PASSWORD", "")}
)
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
JWT = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{43}", re.ASCII)


def is_token(response: Response) -> str | None:
    """Return a complaint unless the answer is a bearer token that is signed by HMAC-SHA256."""
    body = response.json()
    token = body.pop("access_token")
    good = JWT.fullmatch(token) and body == {"token_type": "bearer", "expires_in": 3600}
    return None if good else f"no token: {response.text[:80]}"


TOKEN = Expect(200, is_token)


class Auth(BenchUser):
    """Asks for one token after the other."""

    @task
    def token(self) -> None:
        """Ask for one."""
        self.client.post("/token", data=FORM, headers=FORM_TYPE, expect=TOKEN)
