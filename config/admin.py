"""The admin of the people who work here, and their roles; and the pages that an app cannot register itself."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from customers import audit
from customers.admin import user_of
from customers.feeds.pages import FeedAdmin
from customers.models import Feed

RIGHTS = ("is_superuser", "groups", "user_permissions")

for model in (User, Group):
    admin.site.unregister(model)
admin.site.register(Feed, FeedAdmin)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """People who work here."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let superusers alone give rights: whoever could give them could take all."""
        kept = tuple(super().get_readonly_fields(request, obj))
        return kept if request.user.is_superuser else (*kept, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers alone change a superuser, whose password is as good as all rights."""
        may = super().has_change_permission(request, obj)
        return bool(may and (obj is None or request.user.is_superuser or not _has_rights(obj)))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers alone delete one who has rights."""
        may = super().has_delete_permission(request, obj)
        return bool(may and (obj is None or request.user.is_superuser or not _has_rights(obj)))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the roles, and note what they were and are."""
        before = _roles(form.instance)
        super().save_related(request, form, formsets, change)
        after = _roles(form.instance)
        if before != after:
            audit.note(
                timezone.now(), user_of(request), "roles changed", str(form.instance), before=before, after=after
            )


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles: named sets of permissions. Superusers alone change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse others."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse others."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse others."""
        return bool(request.user.is_superuser)


def _has_rights(user: User) -> bool:
    return user.is_superuser or bool(user.get_all_permissions())


def _roles(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))
