"""The application that Waitress serves."""

from flask_api.application import create_app

app = create_app()
