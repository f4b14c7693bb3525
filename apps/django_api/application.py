"""The service on Django: one module for each of its systems, put together here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from domain.ai_request import MAX_BODY_BYTES
from domain.patience import PATIENCE_S
from domain.settings import Settings

from django_api import metrics, resources

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIHandler

MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
)


def create_application(**own: Any) -> WSGIHandler:  # noqa: ANN401 - Django's settings
    """Make the application and open what it needs; a server does so in each worker.

    A variant's own settings of Django take the place of those that are here.
    """
    given = Settings.from_environment()
    _configure(resources.databases(given), own, given)
    application = get_wsgi_application()
    resources.open_all(given)
    return application


def create_asgi_application(**own: Any) -> ASGIHandler:  # noqa: ANN401 - Django's settings
    """Do the same for a server that speaks ASGI, which has more requests at once than connections."""
    given = Settings.from_environment()
    _configure(resources.databases(given, PATIENCE_S), own, given)
    from django.core.asgi import get_asgi_application  # late: a worker without it is spared its memory

    application = get_asgi_application()
    resources.open_all(given)
    return application


def _configure(databases: Mapping[str, Any], own: Mapping[str, Any], given: Settings) -> None:
    chosen = {
        "ALLOWED_HOSTS": ["*"],  # whoever starts the service decides on which address it can be reached
        "APPEND_SLASH": False,
        "DATABASES": databases,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": MAX_BODY_BYTES,
        "DATA_UPLOAD_MAX_NUMBER_FIELDS": None,  # the body's size is their bound, as in the other variants
        "DEBUG": False,
        "INSTALLED_APPS": [],
        "LOGGING": {  # without it a failure is mailed to nobody, and no log says why
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"log": {"class": "logging.StreamHandler"}},
            "loggers": {"django.request": {"handlers": ["log"], "level": "ERROR"}},
        },
        "MIDDLEWARE": MIDDLEWARE,
        "ROOT_URLCONF": "django_api.urls",
        "USE_I18N": False,
        "USE_TZ": True,
        **own,
    }
    settings.configure(**(metrics.counted(chosen) if given.metrics else chosen))
