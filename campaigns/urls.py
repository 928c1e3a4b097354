"""The addresses of the pages that customers see."""

from django.urls import path

from campaigns import views

urlpatterns = [
    path("u/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("a/<str:public_id>", views.asset, name="asset"),
    path("p/<str:token>/", views.preference_page, name="preferences"),
    path("r/<str:token>/<str:score>/", views.rating_page, name="rating"),
    path("feedback/<str:provider>/", views.feedback, name="feedback"),
    path("gateway/<str:public_id>/", views.gateway, name="gateway"),
    path("c/<str:token>", views.click, name="click"),
    path("o/<str:token>.gif", views.opening, name="opening"),
]
