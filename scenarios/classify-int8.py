"""What a text is about, by the model in 8-bit integers: as `classify` in everything else."""

from classify import Classify

__all__ = ["Classify"]

NEEDS = ("classifier-int8",)
ENDPOINTS = ("POST /api/ai/classify",)
USERS = 200
