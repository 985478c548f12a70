"""A page of Django's admin that lists sessions and ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.http import urlencode

from holdfast.errors import UsageError
from holdfast.web.django import here
from holdfast.web.django.listing import listed, subject_of
from holdfast.web.django.models import Session

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from holdfast.web.django.exchange import Exchange

    _Admin = admin.ModelAdmin[Session]
else:
    _Admin = admin.ModelAdmin  # generic only for type checkers


class SessionAdmin(_Admin):  # type: ignore[valid-type,misc,unused-ignore]  # without stubs
    """Who may see the list has `holdfast.view_session`, who may end, `holdfast.delete_session`."""

    def get_urls(self) -> list[URLPattern]:
        """The list alone: a session is not edited."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name=name)]

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002 - Django's
        """Nobody: sessions come from sign-ins."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - as there
        """Nobody."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """A page of sessions; a POST ends one, or all of a user; `?user=…` finds whose are meant."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._end(request)
        exchange = here.exchange_of(request)
        if "user" in request.GET:
            return _to(subject_of(exchange.assembly, request.GET["user"].strip()))
        subject = request.GET.get("subject", "")
        page = listed(
            exchange.assembly,
            subject,
            request.GET.get("after"),
            own=exchange.session.id,
        )
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": "Sessions",
            "opts": self.opts,
            "rows": page.rows,
            "subject": subject,
            "next": page.after and urlencode({"subject": subject, "after": page.after}),
            "may_end": self.has_delete_permission(request),
        }
        return TemplateResponse(request, "admin/holdfast/session/change_list.html", context)

    def _end(self, request: HttpRequest) -> HttpResponse:
        """One by its id, or a subject's; one's own session stays."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        exchange = here.exchange_of(request)
        id, subject = request.POST.get("id", ""), request.POST.get("all_of", "")
        ended = _end_all(exchange, subject) if subject else _end_one(exchange, id)
        messages.success(request, f"Sessions ended: {ended}.")
        return _to(request.GET.get("subject", ""))


def _to(subject: str) -> HttpResponse:
    return HttpResponseRedirect(f"?{urlencode({'subject': subject})}")


def _end_one(exchange: Exchange, id: str) -> int:
    if id == exchange.session.id:
        return 0
    client = exchange.visit.client
    return int(exchange.assembly.blocking.revoke(id, client, reason="ended_by_operator"))


def _end_all(exchange: Exchange, subject: str) -> int:
    sessions, client = exchange.assembly.blocking, exchange.visit.client
    try:
        return sessions.revoke_all(subject, keep=exchange.session.id, client=client)
    except UsageError:  # what cannot be a subject has no sessions
        return 0


admin.site.register(Session, SessionAdmin)
