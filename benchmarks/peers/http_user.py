"""Locust's own HttpUser, as its documentation has it, on the scenario `hello`."""

from locust import HttpUser, task


class Stock(HttpUser):
    """Asks for the greeting again and again, and looks at the status."""

    @task
    def hello(self) -> None:
        """Ask once."""
        self.client.get("/json")
