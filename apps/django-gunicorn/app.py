"""The application that Gunicorn serves; each worker makes its own, after the fork."""

from django_api.application import create_application

application = create_application()
