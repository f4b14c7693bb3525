"""The application that Gunicorn serves by greenlets, by which the standard library was patched before."""

from domain.patience import PATIENCE_S
from flask_api.application import create_app

app = create_app(pool_patience_s=PATIENCE_S)  # there are more requests at once than connections
