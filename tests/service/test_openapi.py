"""The OpenAPI document: valid, complete, and its examples are true."""

import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from holdfast.service.app import create_app
from holdfast.service.openapi import EXAMPLE_USER, document
from service.clients import Client, bearer

KEY = "an introspection key, long enough 123"
DOCUMENT = document()
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]


@pytest.fixture
def variables():
    return {"INTROSPECTION_KEY": KEY, "TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
def client(context, administration):
    administration.add(EXAMPLE_USER["email"], EXAMPLE_USER["password"])
    return Client(create_app(context))


def test_it_is_valid():
    """OpenAPI 3.1."""
    validate(DOCUMENT)


def test_it_names_every_json_route(context):
    """No path is missing, none is too many; what Envoy asks below a path is any request."""
    from holdfast.service.app import _routes

    paths = {
        (method.lower(), route.path)
        for route in _routes(context)
        for method in route.methods - {"HEAD"}
        if route.path not in {"/openapi.json", "/forward-auth/{target:path}"}
    }
    assert paths == set(OPERATIONS)


def schema(operation, status):
    """The schema of an answer, with everything that it refers to."""
    content = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return {**content, "components": DOCUMENT["components"]}


def request_of(client, method, path):
    """The request that the document describes, made by somebody who may."""
    operation = DOCUMENT["paths"][path][method]
    content = operation.get("requestBody", {}).get("content", {})
    tokens = client.tokens(*EXAMPLE_USER.values())
    options = {}
    if "application/json" in content:
        options["json"] = content["application/json"]["example"]
        if "refresh_token" in options["json"]:
            options["json"] = {"refresh_token": tokens["refresh_token"]}
    elif content:
        options["data"] = {"token": tokens["access_token"]}
    if {"service": []} in operation.get("security", []):
        options["headers"] = bearer(KEY)
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
    sessions = client.get("/api/sessions", headers=bearer(tokens["access_token"])).json()
    return re.sub(r"\{id\}", sessions["sessions"][0]["id"], path), options


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_examples_are_true(client, method, path):
    """What is described is carried out, and answered as described."""
    url, options = request_of(client, method, path)
    answer = client.request(method.upper(), url, **options)
    assert answer.status_code == 200, answer.text
    operation = DOCUMENT["paths"][path][method]
    if "content" in operation["responses"]["200"]:
        Draft202012Validator(schema(operation, 200)).validate(answer.json())


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_refusals_are_described(client, method, path):
    """An empty request of nobody is answered with an error that the document has."""
    operation = DOCUMENT["paths"][path][method]
    answer = client.request(method.upper(), path.replace("{id}", "x"))
    if answer.status_code != 200:
        Draft202012Validator(schema(operation, answer.status_code)).validate(answer.json())
