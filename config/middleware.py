"""What is added to answers by address."""

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse


class AdminScripts:
    """Lets the admin's own scripts evaluate expressions, which django-unfold needs; every other page stays strict."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Take the next step of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Give the answer, with the wider policy below /admin/ only."""
        response = self.get_response(request)
        if request.path_info.startswith(reverse("admin:index")):
            response._csp_replace = {"script-src": [SELF, UNSAFE_EVAL]}  # type: ignore[attr-defined]
        return response
