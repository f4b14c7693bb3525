"""The service on Django: one module of `api` for each of its systems, put together here."""

from __future__ import annotations

from api import metrics, resources
from django.conf import settings
from domain.ai_request import MAX_BODY_BYTES
from domain.settings import Settings

given = Settings.from_environment()
middleware = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
settings.configure(
    ALLOWED_HOSTS=["*"],  # whoever starts the service decides on which address it can be reached
    APPEND_SLASH=False,
    DATABASES=resources.databases(given),
    DATA_UPLOAD_MAX_MEMORY_SIZE=MAX_BODY_BYTES,
    DATA_UPLOAD_MAX_NUMBER_FIELDS=None,  # the body's size is their bound, as in the other variants
    DEBUG=False,
    LOGGING={  # without it a failure is mailed to nobody, and no log says why
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"log": {"class": "logging.StreamHandler"}},
        "loggers": {"django.request": {"handlers": ["log"], "level": "ERROR"}},
    },
    INSTALLED_APPS=[metrics.APP] if given.metrics else [],
    MIDDLEWARE=metrics.around(middleware) if given.metrics else middleware,
    ROOT_URLCONF="api.urls",
    USE_I18N=False,
    USE_TZ=True,
)

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django's parts read the settings

application = get_wsgi_application()
resources.open_all(given)
