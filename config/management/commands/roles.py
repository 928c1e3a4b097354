"""manage.py roles: the groups of marketers, approvers, analysts, agents, integrators and operators."""

from typing import Any

from django.core.management import BaseCommand

from config import roles


class Command(BaseCommand):
    help = (
        "Make the groups of all roles, or give them back exactly what docs/operators.md says; groups of your own stay."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        roles.make()
        self.stdout.write(f"The groups are made: {', '.join(roles.ROLES)}.")
