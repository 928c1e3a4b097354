"""Every address of the program."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.defaults import server_error as page_error
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import api, sending_page, views
from customers import problems

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("admin/sending/", admin.site.admin_view(sending_page.page), name="sending"),
    path("admin/", admin.site.urls),
    path("", include("campaigns.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v1/", include((api.urlpatterns, "api"))),
    path("api/", problems.NowhereView.as_view()),
]


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer a fault of our own: a problem document below /api/, a page elsewhere."""
    return problems.server_error(request) if request.path.startswith("/api/") else page_error(request)
