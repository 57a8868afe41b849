"""Refusals of the CRM in Zoho's words (crm-v8.md sections 2.5, 3, 5 and 12)."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


def error_body(code: str, message: str, details: Body | None = None) -> Body:
    """An error object, as a whole body or as an element of `data`."""
    return {"code": code, "details": details or {}, "message": message, "status": "error"}


class Refusal(Exception):
    """A request refused whole; or, inside a batch, one record."""

    def __init__(self, code: str, message: str, details: Body | None = None, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.body = error_body(code, message, details)


def invalid_token() -> Refusal:
    return Refusal("INVALID_TOKEN", "invalid oauth token", status=401)


def authentication_failure() -> Refusal:
    return Refusal("AUTHENTICATION_FAILURE", "Authentication failed", status=401)


def scope_mismatch() -> Refusal:
    return Refusal("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", status=401)


def no_permission(permission: str) -> Refusal:
    return Refusal("NO_PERMISSION", "permission denied", {"permissions": [permission]}, 403)


def too_many_requests() -> Refusal:
    return Refusal("TOO_MANY_REQUESTS", "too many requests. please try again after some time", status=429)


def invalid_url() -> Refusal:
    return Refusal("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one", status=404)


def invalid_method() -> Refusal:
    return Refusal("INVALID_REQUEST_METHOD", "The http request method type is not a valid one")


def media_type() -> Refusal:
    return Refusal("MEDIA_TYPE_NOT_SUPPORTED", "The media type of the request is not supported", status=415)


def invalid_module(index: int = 0) -> Refusal:
    details = {"resource_path_index": index}
    return Refusal("INVALID_MODULE", "The module name given seems to be invalid", details)


def invalid_path_id(index: int, message: str = "the id given seems to be invalid") -> Refusal:
    return Refusal("INVALID_DATA", message, {"resource_path_index": index})


def required_param(name: str) -> Refusal:
    details = {"param_name": name, "param": name}
    return Refusal("REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", details)


def bad_pattern(name: str) -> Refusal:
    message = "Please check whether the input values are correct"
    return Refusal("PATTERN_NOT_MATCHED", message, {"param_name": name})


def invalid_param(name: str, message: str = "the value given seems to be invalid") -> Refusal:
    return Refusal("INVALID_DATA", message, {"param_name": name})


def ambiguous(*names: str) -> Refusal:
    details = {"ambiguity_due_to": [{"param_name": name} for name in names]}
    return Refusal("AMBIGUITY_DURING_PROCESSING", "ambiguity while processing the request", details)
