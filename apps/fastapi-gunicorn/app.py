"""The application that Gunicorn's workers serve; each makes its own, after the fork."""

from fastapi_api.application import create_app

app = create_app()
