"""What Django's admin and permissions need of sessions: a model without a table of its own."""

from __future__ import annotations

from django.db import models


class Session(models.Model):
    """Stands for the sessions, which live in the store; gives the permissions to see and end them."""

    class Meta:
        """No table; `holdfast.view_session` lists, `holdfast.delete_session` ends."""

        managed = False
        default_permissions = ("view", "delete")
        verbose_name = "session"
        verbose_name_plural = "sessions"

    def __str__(self) -> str:
        """There are no instances."""
        return "session"
