"""The OpenAPI document: valid, complete, and its examples are true."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from holdfast.service import forward_auth
from holdfast.service.app import create_app
from holdfast.service.backend import keys as service_keys
from holdfast.service.openapi import EXAMPLE_USER, document
from service.clients import Client, bearer

KEY = "an introspection key, long enough 123"
BACKEND = "hfk1_" + "k" * 43
ENTRY = service_keys.entry("tests", service_keys.SCOPES, BACKEND)
DOCUMENT = document()
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]


@pytest.fixture
def variables():
    return {"INTROSPECTION_KEY": KEY, "TRUSTED_PROXIES": "127.0.0.1", "SERVICE_KEYS": ENTRY}


@pytest.fixture
def client(context, administration):
    administration.add(EXAMPLE_USER["email"], EXAMPLE_USER["password"])
    return Client(create_app(context))


def test_it_is_valid():
    """OpenAPI 3.1."""
    validate(DOCUMENT)


def test_it_names_every_json_route(context):
    """No path is missing, none is too many; forward-auth is answered ahead of the routes."""
    from holdfast.service.app import _routes

    paths = {
        (method.lower(), route.path)
        for route in _routes(context)
        for method in route.methods - {"HEAD"}
        if route.path != "/openapi.json"
    }
    assert paths | {("get", forward_auth.PATH)} == set(OPERATIONS)


def schema(operation, status):
    """The schema of an answer, with everything that it refers to."""
    (content,) = operation["responses"][str(status)]["content"].values()
    return {**content["schema"], "components": DOCUMENT["components"]}


def request_of(client, method, path):
    """The request that the document describes, made by somebody who may."""
    operation = DOCUMENT["paths"][path][method]
    content = operation.get("requestBody", {}).get("content", {})
    tokens = client.tokens(*EXAMPLE_USER.values())
    options = {}
    if "application/json" in content:
        options["json"] = dict(content["application/json"]["example"])
        sent = {"refresh_token": tokens["refresh_token"], "token": tokens["access_token"]}
        options["json"] |= {name: text for name, text in sent.items() if name in options["json"]}
    elif "application/jsonl" in content:
        options["content"] = json.dumps(content["application/jsonl"]["example"])
    elif content:
        options["data"] = {"token": tokens["access_token"]}
    if {"service": []} in operation.get("security", []):
        options["headers"] = bearer(KEY)
    elif {"backend": []} in operation.get("security", []):
        options["headers"] = bearer(BACKEND)
    elif "security" in operation:
        options["headers"] = bearer(tokens["access_token"])
    elif path == "/api/login":
        options["headers"] = client.csrf()
    told = {
        each["name"]: each["example"]
        for each in operation.get("parameters", ())
        if each["in"] == "header" and "example" in each
    }
    options["headers"] = options.get("headers", {}) | told
    if "content" in options:
        options["headers"]["Content-Type"] = next(iter(content))
    options["params"] = {
        each["name"]: each["example"]
        for each in operation.get("parameters", ())
        if each["in"] == "query" and "example" in each
    }
    sessions = client.get("/api/sessions", headers=bearer(tokens["access_token"])).json()
    return re.sub(r"\{id\}", sessions["sessions"][0]["id"], path), options


def streams(operation):
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


@pytest.mark.parametrize(
    ("method", "path"),
    [each for each in OPERATIONS if not streams(DOCUMENT["paths"][each[1]][each[0]])],
)
def test_examples_are_true(client, method, path):
    """What is described is carried out, and answered as described."""
    url, options = request_of(client, method, path)
    answer = client.request(method.upper(), url, **options)
    assert answer.is_success, answer.text
    operation = DOCUMENT["paths"][path][method]
    if "content" in operation["responses"][str(answer.status_code)]:
        Draft202012Validator(schema(operation, answer.status_code)).validate(answer.json())


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_refusals_are_described(client, method, path):
    """An empty request of nobody is answered with an error that the document has."""
    operation = DOCUMENT["paths"][path][method]
    answer = client.request(method.upper(), path.replace("{id}", "x"))
    if answer.status_code != 200:
        Draft202012Validator(schema(operation, answer.status_code)).validate(answer.json())
