"""The application that Gunicorn serves; each worker makes its own, after the fork."""

from flask_api.application import create_app

app = create_app()
