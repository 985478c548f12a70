"""The service: sign-in, tokens, sessions and pages over HTTP, for applications in any language.

`holdfast.service.app.create_app` makes it of a `ServiceContext`; `holdfast serve` starts it.
"""
