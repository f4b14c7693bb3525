"""The table of chats as Django's ORM sees it."""

from __future__ import annotations

from datetime import datetime

from django.db import models


class Chat(models.Model):
    """What a user and a model said."""

    id: models.BigIntegerField[int, int] = models.BigIntegerField(primary_key=True)
    user_id: models.IntegerField[int, int] = models.IntegerField()
    content: models.TextField[str, str] = models.TextField()
    create_time: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    class Meta:
        """The table is there already; Django neither makes nor changes it."""

        managed = False
        db_table = "ai_chat"

    def __str__(self) -> str:
        return self.content
