"""Django as an ASGI application."""

from django_api.application import create_asgi_application

application = create_asgi_application(ROOT_URLCONF="urls")
