"""Django with its ORM."""

from django_api.application import create_application

application = create_application(INSTALLED_APPS=["chats"], ROOT_URLCONF="urls")
