from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from served import APPS, EVERYTHING, VARIANTS, Serve

from harness.lifecycle.verify import failures, verify
from harness.machine.services.valkey import ValkeyService
from harness.records.contract import Case

MUTATIONS = [
    ("fastapi-uvicorn", "api/generate.py", ", dependencies=[Depends(require_json)]", "",
     "generate: no content type"),
    ("fastapi-uvicorn", "api/bodies.py",
     "    if not await request.body():\n        raise HTTPException(400)\n", "",
     "generate: a body that is empty is malformed"),
    ("fastapi-uvicorn", "api/generate.py", "route_class=BoundedRoute", "",
     "generate: a body of 1 MiB and a byte is too large"),
    ("fastapi-uvicorn", "app.py", '"/json", methods=["GET", "HEAD"]', '"/json", methods=["GET"]',
     "json: HEAD has the head of GET and no body"),
    ("fastapi-uvicorn", "app.py", ", redirect_slashes=False", "", "json: a trailing slash is another path"),
    ("fastapi-uvicorn", "api/generate.py", "async def generate(request: AIServiceRequest) -> Accepted:",
     "async def generate(request: dict[str, str]) -> Accepted:", "generate: prompt is required"),
    ("flask-gunicorn", "app.py", "MAX_CONTENT_LENGTH=MAX_BODY_BYTES, ", "",
     "generate: a body of 1 MiB and a byte is too large"),
    ("flask-gunicorn", "app.py", ", PROVIDE_AUTOMATIC_OPTIONS=False", "", "json: OPTIONS is not allowed"),
    ("flask-gunicorn", "app.py", "merge_slashes = False", "merge_slashes = True",
     "history: a doubled slash is another path"),
    ("flask-gunicorn", "api/resources.py", "TimeZone=UTC", "TimeZone=Asia/Shanghai",
     "history: a hundred chats in the order of time"),
    ("flask-gunicorn", "variant.toml", "keep_alive_s = 75", "keep_alive_s = 0",
     "json: two requests share one connection"),
    ("django-gunicorn", "api/generate.py", '@answering("POST")', '@answering("POST", "PUT")',
     "generate: PUT is not allowed"),
    ("django-gunicorn", "api/answers.py", "(ValueError, RecursionError)", "ValueError",
     "generate: a body that is nested too deep is malformed"),
    ("django-gunicorn", "api/urls.py", 'handler404 = not_found', "", "paths: an unknown one is nothing"),
    ("django-gunicorn", "api/resources.py", "DatabaseWrapper):\n        raise Refused(503)",
     "DatabaseWrapper):\n        raise Refused(500)",
     "history: without a database it is unavailable"),
    ("domain", "ai_request.py", "^(gpt|llama)-[0-9]+$", r"^gpt-\d+|llama-\d+$",
     "generate: model_name with a letter after the number"),
    ("domain", "ai_request.py", "min_length=5", "min_length=4", "generate: prompt of 4 characters"),
    ("domain", "ai_request.py", "max_length=2000", "max_length=2001", "generate: prompt of 2001 characters"),
    ("domain", "ai_request.py", "ge=0.0, ", "", "generate: temperature below 0"),
    ("domain", "ai_request.py", "le=1.0", "lt=1.0", "generate: temperature 1"),
    ("domain", "ai_request.py", "validate_default=True", "validate_default=False",
     "generate: web_search needs reference_urls"),
    ("domain", "ai_request.py", "contact_email: EmailStr", "contact_email: str",
     "generate: contact_email without a domain"),
    ("domain", "history.py", "ORDER BY create_time, id", "ORDER BY create_time DESC, id",
     "history: a hundred chats in the order of time"),
    ("domain", "history.py", "create_time, id\"", "create_time, id LIMIT 99\"", "history: the last user"),
    ("domain", "history.py", 'timespec="microseconds"', 'timespec="seconds"',
     "history: a hundred chats in the order of time"),
    ("domain", "row_id.py", "le=2**31 - 1", "le=2**40", "history: user_id past the greatest"),
    ("domain", "row_id.py", ", BeforeValidator(_digits)", "", "history: user_id with an underscore"),
    ("domain", "documents.py", "max_length=200", "max_length=201", "documents: title of 201 characters"),
    ("domain", "documents.py", ', pattern=r"^[^\\u0000]*$"', "", "documents: title with NUL"),
    ("domain", "documents.py", "max_length=10_000", "max_length=10_001",
     "documents: content of 10001 characters"),
    ("domain", "documents.py", "documents/{document_id}", "document/{document_id}", "documents: one is kept"),
    ("domain", "documents.py", 'timespec="microseconds"', 'timespec="seconds"', "documents: the first"),
    ("fastapi-uvicorn", "api/documents.py", "needs = (get_pool, get_vault)", "needs = ()",
     "documents: without a database that comes before the size"),
    ("fastapi-uvicorn", "api/documents.py", "status_code=201, ", "", "documents: one is kept"),
    ("flask-gunicorn", "api/documents.py", "abort(404)", "abort(403)",
     "documents: an unknown one is not found"),
    ("flask-gunicorn", "api/documents.py", ", 201, {", ", 200, {", "documents: one is kept"),
    ("django-gunicorn", "api/documents.py", "        raise Refused(404)", "        raise Refused(204)",
     "documents: an unknown one is not found"),
    ("django-gunicorn", "api/documents.py", "status=201, ", "", "documents: one is kept"),
    ("domain", "classifier.py", "min_length=1", "min_length=0", "classify: an empty text"),
    ("domain", "classifier.py", "max_length=5000", "max_length=5001", "classify: a text of 5001 characters"),
    ("domain", "classifier.py", ".lower()", "", "classify: letters' case does not matter"),
    ("domain", "classifier.py", "self.categories[number]", "self.categories[0]",
     "classify: a text about travel"),
    ("fastapi-uvicorn", "api/classify.py", "    needs = (get_classifier,)\n", "",
     "classify: without a classifier it is unavailable for a broken body, too"),
    ("fastapi-uvicorn", "api/classify.py", "dependencies=[Depends(require_json)], ", "",
     "classify: no content type"),
    ("fastapi-uvicorn", "api/resources.py", "classifier is None", "False",
     "classify: without a classifier it is unavailable"),
    ("flask-gunicorn", "api/classify.py", "ClassifyRequest.model_validate(json_body())",
     "ClassifyRequest.model_construct(**json_body())", "classify: text is not a number"),
    ("flask-gunicorn", "api/classify.py", "routes.post(", "routes.put(", "classify: PUT is not allowed"),
    ("django-gunicorn", "api/classify.py", '@answering("POST")', '@answering("POST", "PUT")',
     "classify: PUT is not allowed"),
    ("django-gunicorn", "api/resources.py", "_Open.classifier is None:\n        raise Refused(503)",
     "_Open.classifier is None:\n        raise Refused(404)",
     "classify: without a classifier it is unavailable"),
    ("fastapi-uvicorn", "api/bodies.py",
     "            await bounded.body()  # whatever FastAPI would read of it, its size is judged first\n", "",
     "token: a large body of another type is too large first"),
    ("fastapi-uvicorn", "api/token.py", "dependencies=[Depends(require_form)]", "dependencies=[]",
     "token: JSON is not taken"),
    ("fastapi-uvicorn", "api/token.py",
     'form_limits={"max_fields": MAX_BODY_BYTES}', "form_limits={}",
     "token: a thousand fields and more"),
    ("fastapi-uvicorn", "api/token.py", ', headers={"WWW-Authenticate": "Bearer"}', "",
     "token: another password is refused"),
    ("fastapi-uvicorn", "api/text.py", "Depends(require_token), ", "", "text: without a token it is refused"),
    ("fastapi-uvicorn", "api/text.py", "needs = (get_issuer, get_writer)", "needs = ()",
     "text: without services that comes before the size"),
    ("fastapi-uvicorn", "api/text.py", "result, response.headers[\"X-Cache\"]", "result, _",
     "text: the second of two equal requests is a hit"),
    ("fastapi-uvicorn", "api/text.py",
     'await require_token(get_issuer(request), await bearer(request) or "")', "pass",
     "text: a token that is missing is told before broken JSON"),
    ("fastapi-uvicorn", "api/token.py", "    reads = FormRequest\n", "",
     "token: 200 letters beyond ASCII that nobody quoted are not too long"),
    ("flask-gunicorn", "api/bodies.py", "form_fields(request.form.items(multi=True))",
     "dict(request.form.items(multi=True))", "token: a field without a value is as good as absent"),
    ("flask-gunicorn", "api/token.py", ', {"Cache-Control": "no-store"}', ", {}",
     "token: the password is enough"),
    ("flask-gunicorn", "api/token.py", 'shown.type != "bearer" or ', "",
     "text: a token under another scheme is refused"),
    ("flask-gunicorn", "api/text.py", "    request.get_data()  # a body that is too great is refused first\n",
     "",
     "text: a body that is too large is told before a token that is missing"),
    ("flask-gunicorn", "api/text.py",
     "    require_token()\n    asked = TextRequest.model_validate(json_body())\n",
     "    asked = TextRequest.model_validate(json_body())\n    require_token()\n",
     "text: a token that is missing is told before a broken rule"),
    ("django-gunicorn", "app.py",
     "    DATA_UPLOAD_MAX_NUMBER_FIELDS=None,  # the body's size is their bound, as in the other variants\n",
     "",
     "token: a thousand fields and more"),
    ("django-gunicorn", "api/answers.py",
     "    if not is_form(request.headers.get(\"Content-Type\", \"\")):\n        raise Refused(415)\n", "",
     "token: JSON is not taken"),
    ("django-gunicorn", "api/answers.py", 'QueryDict(body, encoding="utf-8").items()',
     "request.POST.items()", "token: a form is in UTF-8, whatever its content type says"),
    ("django-gunicorn", "api/token.py", "scheme.lower()", "scheme", "text: the scheme in capitals"),
    ("django-gunicorn", "api/text.py", 'headers={"X-Cache": cached}', "headers={}",
     "text: the second of two equal requests is a hit"),
    ("domain", "tokens.py", "right_user & right_password", "right_password",
     "token: another user is refused"),
    ("domain", "tokens.py", "right_user & right_password", "right_user",
     "token: another password is refused"),
    ("django-gunicorn", "api/answers.py", 'form_fields(QueryDict(body, encoding="utf-8").items())',
     "dict(request.POST.items())", "token: a field without a value is as good as absent"),
    ("domain", "tokens.py", "max_length=200", "max_length=201", "token: username of 201 characters"),
    ("domain", "tokens.py", "jwt.decode(token, self.key, [_ALGORITHM], options={",
     'jwt.decode(token, self.key, [_ALGORITHM], options={"verify_signature": False, "verify_exp": True, ',
     "text: a token that another key signed is refused"),
    ("domain", "tokens.py", "options={", 'options={"verify_exp": False, ',
     "text: a token that has ended is refused"),
    ("domain", "text.py", "[request.task_type, request.target_language, request.content]",
     "[request.target_language, request.content]", "text: another task is another text"),
    ("domain", "text.py", "[request.task_type, request.target_language, request.content]",
     "[request.task_type, request.content]", "text: another target_language is another text"),
    ("domain", "text.py", "request.content])", "request.content.lower()])",
     "text: another content by its case is another text"),
    ("domain", "text.py", "max_length=5000", "max_length=5001", "text: content of 5001 characters"),
    ("domain", "text.py", "min_length=10", "min_length=9",
     "text: content of 9 characters outside the basic plane"),
    ("domain", "text.py", "{2,8})*$", "{1,8})*$", "text: target_language with a part of one letter"),
    ("domain", "text.py", 'f"text:{', "f\"text:{__import__('time').time_ns()}{",
     "text: the second of two equal requests is a hit"),
]  # fmt: skip
EACH = [
    (variant, mutation)
    for mutation in MUTATIONS
    for variant in (VARIANTS if mutation[0] == "domain" else (mutation[0],))
]
"""What all share is broken in each variant apart: it must be seen whatever framework stands before it."""


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "mutation"), EACH, ids=[f"{one}: {what[4]}" for one, what in EACH])
def test_a_broken_rule_is_named(
    variant: str,
    mutation: tuple[str, str, str, str, str],
    tmp_path: Path,
    serve: Serve,
    with_everything: dict[str, str],
    valkey: ValkeyService,
    cases: tuple[Case, ...],
) -> None:
    """A variant that breaks one rule fails the case of that rule."""
    folder, file, kept, broken, rule = mutation
    apps = tmp_path / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    path = apps / folder / file
    text = path.read_text()
    assert text.count(kept) == 1, "the mutation no longer fits the code"
    path.write_text(text.replace(kept, broken))

    without = next(case for case in cases if case.name == rule).without
    given = {} if without else with_everything
    valkey.reset()
    with serve(variant, given, apps=apps) as served:
        services = () if without else EVERYTHING
        failed = failures(verify(served.url, cases, services=services, variables=given))
    assert rule in {result.name for result in failed}
    assert all(result.difference for result in failed)
