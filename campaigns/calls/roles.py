"""Who works the queue: the group of agents, which may see and do nothing else."""

from django.contrib.auth.models import Group, Permission, User

AGENTS = "agent"
MAY = ("change_calltask",)


def enrol(user: User) -> None:
    """Make somebody an agent: one who may open the queue and work in it."""
    group, _ = Group.objects.get_or_create(name=AGENTS)
    group.permissions.set(Permission.objects.filter(content_type__app_label="campaigns", codename__in=MAY))
    user.groups.add(group)
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
