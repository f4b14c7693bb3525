"""A rate limit that nobody comes to: what it costs to count every request.

As `validate` in everything else, so the difference between the two is the limit's. All are let in, however
fast the variant is; `refused` is the other end.
"""

import validate

NEEDS = ("valkey", "rate-limit-wide")
ENDPOINTS = ("POST /api/ai/generate",)


class Limited(validate.Validate):
    """Sends valid and broken requests, nine to one."""
