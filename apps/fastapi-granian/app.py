"""The application that Granian serves."""

from fastapi_api.application import create_app

app = create_app()
