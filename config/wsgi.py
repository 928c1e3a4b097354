"""The entry point of a web server. Settings that cannot work stop it with the sentence of their check."""

import gc
import os

from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
if faults := [each for each in run_checks() if each.is_serious()]:
    raise ImproperlyConfigured("; ".join(str(each) for each in faults))
gc.freeze()  # what was loaded stays: to look through all of it for garbage holds a request up for a fifth of a second
