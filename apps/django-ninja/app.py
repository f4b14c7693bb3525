"""Django with Ninja's operations in the place of views."""

from django_api.application import MIDDLEWARE, create_application

application = create_application(ROOT_URLCONF="urls", MIDDLEWARE=[*MIDDLEWARE, "failures.not_allowed"])
