"""Django with the views of REST framework."""

from django_api.application import create_application

application = create_application(
    INSTALLED_APPS=["rest_framework"],
    ROOT_URLCONF="urls",
    REST_FRAMEWORK={
        # Nobody signs in, hence no users; and answers are JSON alone, without pages to browse them.
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["media.Parser"],
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "media.JsonAlone",
        "EXCEPTION_HANDLER": "failures.answer",
    },
)
