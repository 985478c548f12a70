"""The entry of `INSTALLED_APPS`; it holds the parts, so that no module has to."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.checks import Tags, register
from django.core.signals import setting_changed

from holdfast.assembly import Assembly, assemble
from holdfast.stores import open_both
from holdfast.web.django import adoption, checks, configuration, csrf, provisions, trial

if TYPE_CHECKING:
    from holdfast.settings import Settings
    from holdfast.stores import Opened

_OURS = ("CSRF_", "HOLDFAST", "SECRET_KEY", "SESSION_")


class HoldfastConfig(AppConfig):
    """Sessions for a Django project."""

    name = "holdfast.web.django"
    label = "holdfast"
    verbose_name = "Holdfast"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lock = Lock()
        self._own: Assembly | None = None
        self._given: Assembly | None = None
        self._trial = False
        self._memory: Opened | None = None

    def ready(self) -> None:
        """Take part in Django's checks and signals."""
        register(checks.check, Tags.security)
        user_logged_in.connect(csrf.renew, dispatch_uid="holdfast")
        setting_changed.connect(self._forget, dispatch_uid="holdfast")

    @property
    def settings(self) -> Settings:
        """What the project's settings say.

        Raises:
            ConfigurationError: one cannot be honoured.
        """
        return configuration.settings_of(settings)

    @property
    def assembly(self) -> Assembly:
        """The parts, put together at first use.

        Raises:
            ConfigurationError: there is no secret, or a setting contradicts another.
        """
        found = self._given or self._own
        return self._assembled() if found is None else found

    def settled(self) -> Assembly:
        """The parts as they must be now: those made before the tests began, at an import, go."""
        if self._own is not None and self._trial != trial.is_on():
            self._forget(setting="HOLDFAST")
            self._memory = None
        return self.assembly

    def run_on(self, assembly: Assembly | None) -> None:
        """Go on with other parts, as a test does that sets the clock; None: with our own again."""
        self._given = assembly

    def _assembled(self) -> Assembly:
        with self._lock:
            if self._own is None:
                self._trial = trial.is_on()
                self._own = assemble(
                    self.settings,
                    secret=provisions.secrets_of(settings),
                    store=self._store(),
                    adopt=adoption.of(settings),
                )
            return self._own

    def _store(self) -> str | Opened | None:
        """The store; that of tests stays while they try other settings, as Django's database does."""
        named = provisions.store_of(settings)
        if named != trial.STORE or not self._trial:
            return named
        self._memory = self._memory or open_both(named)
        return self._memory

    def _forget(self, *, setting: str, **_: object) -> None:
        """`override_settings` in a test changed what the parts were made of."""
        if setting.startswith(_OURS) and self._own is not None:
            self._own.close()
            self._own = None
