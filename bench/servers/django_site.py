"""A Django site with nothing but Django-Lookout, as its documentation sets it up. Runs in an environment of its own.

Knows Django alone. The file is named by ``BENCH_DATABASE``; SQLite as Django opens it: a rollback journal, and
``synchronous=FULL``. The log line for each report goes nowhere, which is to its advantage.
"""

import os

from django.conf import settings

settings.configure(
    SECRET_KEY="for measuring only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["lookout"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["BENCH_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    LOGGING={
        "version": 1,
        "handlers": {"nowhere": {"class": "logging.NullHandler"}},
        "loggers": {"lookout": {"handlers": ["nowhere"], "propagate": False}},
    },
)

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

application = get_wsgi_application()
urlpatterns = [path("report", include("lookout.urls"))]
call_command("migrate", verbosity=0)
