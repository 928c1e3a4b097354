"""Every setting, read from the environment. What cannot work stops the start (config/checks.py)."""

import os
import re
import sys
from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
env = environ.Env()

DEBUG = env.bool("DEBUG", default=True)
DEFAULT_KEY = "only-for-a-first-look-on-your-own-machine-never-in-production"
SECRET_KEY = env("SECRET_KEY", default=DEFAULT_KEY)
if not DEBUG and SECRET_KEY == DEFAULT_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set: with DEBUG=0 links and model files must be signed with your own."
    )
PUBLIC_URL = env("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_TZ = True
LANGUAGE_CODE = "en-gb"
LOCALE_PATHS = [BASE_DIR / "locale"]  # the pages that customers see: campaigns.languages
FORMAT_MODULE_PATH = ["config.formats"]
BUCKETS = env.int("BUCKETS", default=16)
LAKE_URL = env("LAKE_URL", default=str(VAR_DIR / "lake"))
UPLOADS = env("UPLOADS", default=str(VAR_DIR / "uploads"))  # files on their way in; web and workers share it
UPLOAD_MOST_MB = env.int("UPLOAD_MOST_MB", default=100)
IMPORT_FOLDERS = env.list("IMPORT_FOLDERS", default=[])  # files are taken from below these, and from no other folder
IMPORT_HOSTS = env.list("IMPORT_HOSTS", default=[])  # hosts and networks of our own that files may be fetched from
REDIS_URL = env("REDIS_URL", default="")
IS_EMBEDDED = not REDIS_URL

DURATION = re.fullmatch(r"(\d+)([smhd])", env("CYCLE_EVERY", default="1h"))
if DURATION is None:
    raise ImproperlyConfigured('CYCLE_EVERY must be a number and s, m, h or d, such as "1h" or "30m".')
CYCLE_EVERY = timedelta(seconds=int(DURATION[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[DURATION[2]])

# --- Database ---------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'cusp.sqlite3'}")}
DATABASE = DATABASES["default"]
IS_SQLITE = DATABASE["ENGINE"].endswith("sqlite3")
if IS_SQLITE:
    Path(DATABASE["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536",
    }
else:
    DATABASE["CONN_MAX_AGE"] = 60
    DATABASE["CONN_HEALTH_CHECKS"] = True
    if "host" in DATABASE.get("OPTIONS", {}):  # postgres:///name?host=/run/postgresql
        DATABASE["HOST"] = DATABASE["OPTIONS"].pop("host")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Apps -------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "customers",
    "scoring",
    "segments",
    "campaigns",
    "config",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.AdminScripts",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.sending_page.shown",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"

# --- Static files -----------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- Security ---------------------------------------------------------------------------------------------------
IS_HTTPS = PUBLIC_URL.startswith("https://")
PROXIES = env.int("PROXIES", default=1 if IS_HTTPS else 0)  # of our own, before us: who calls is told by the first
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^v1/", r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
        "object-src": ["'none'"],
    }
}

# --- Mail -------------------------------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_BACKEND = env("EMAIL_BACKEND", default="") or vars()["EMAIL_BACKEND"]  # one of anymail.backends: a provider's API
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=20)
# What proves the reports of mail providers; without it their webhooks are closed.
ANYMAIL = {
    "WEBHOOK_SECRET": env("WEBHOOK_SECRET", default=""),
    "MAILGUN_WEBHOOK_SIGNING_KEY": env("MAILGUN_WEBHOOK_SIGNING_KEY", default=""),
    "REQUESTS_TIMEOUT": EMAIL_TIMEOUT,
    **{name.removeprefix("ANYMAIL_"): text for name, text in os.environ.items() if name.startswith("ANYMAIL_")},
}

# --- Webhooks ---------------------------------------------------------------------------------------------------
WEBHOOK_ALLOW = env.list("WEBHOOK_ALLOW", default=[])  # hosts and networks of our own that webhooks may lead to

# --- REST -------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["customers.keys.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["customers.keys.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "customers.problems.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Cusp",
    "DESCRIPTION": "Segments, scores and campaigns over REST.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",  # what stands behind it groups the operations
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "ENUM_NAME_OVERRIDES": {
        "FieldTypeEnum": "customers.models.Attribute.Type",
        "ImportKindEnum": "customers.models.Import.Kind",
        "ImportStateEnum": "customers.models.Import.State",
        "SourceKindEnum": "customers.models.Source.Kind",
        "OtherSourceKindEnum": "customers.source_doors.OTHERS",
        "SegmentKindEnum": "segments.models.Segment.Kind",
        "PinKindEnum": "segments.models.SegmentPin.Kind",
        "MoveEnum": "segments.models.MembershipChange.Kind",
        "TargetKindEnum": "scoring.models.Target.Kind",
        "ModelStateEnum": "scoring.models.ModelVersion.State",
        "TrainingStateEnum": "scoring.models.TrainingRun.State",
        "CampaignStateEnum": "campaigns.models.Campaign.State",
        "DeliveryStateEnum": "campaigns.models.Delivery.State",
        "DecisionOutcomeEnum": "campaigns.models.Decision.Outcome",
        "CallStateEnum": "campaigns.models.CallTask.State",
        "CallOutcomeEnum": "campaigns.models.CallTask.Outcome",
        "WebhookStateEnum": "campaigns.models.Webhook.State",
        "WebhookMessageStateEnum": "campaigns.models.WebhookMessage.State",
    },
}

# --- Logs -------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["stderr"],
        "level": env("LOG_LEVEL", default="WARNING" if "pytest" in sys.modules else "INFO"),
    },
}

# --- Admin ------------------------------------------------------------------------------------------------------
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = {
    "SITE_TITLE": "Cusp",
    "SITE_HEADER": "Cusp",
    "SITE_SUBHEADER": "Campaign automation",
    "SITE_SYMBOL": "change_history",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "config.site.home",
    "ENVIRONMENT": "config.site.environment",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"/{STATIC_URL}cusp.svg"}],
    "STYLES": [f"/{STATIC_URL}cusp.css"],
    "SCRIPTS": [f"/{STATIC_URL}cusp.js"],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 235)",
            "100": "oklch(94% .03 235)",
            "200": "oklch(89% .055 235)",
            "300": "oklch(81% .095 237)",
            "400": "oklch(70% .13 240)",
            "500": "oklch(60% .14 244)",
            "600": "oklch(51% .135 247)",
            "700": "oklch(44% .12 249)",
            "800": "oklch(39% .1 250)",
            "900": "oklch(34% .08 252)",
            "950": "oklch(26% .06 254)",
        }
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": "config.site.navigation"},
}
