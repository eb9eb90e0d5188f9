"""As little as Django needs; yours has more, and `GREENROOM_URL` and the middleware beside it."""

import os
from typing import Final

SECRET_KEY: Final = os.environ.get("SECRET_KEY", "for trying it out only")
ALLOWED_HOSTS: Final = ["127.0.0.1", "localhost"]
MIDDLEWARE: Final = ["examples.web.django_site.calls.Refusals"]
ROOT_URLCONF: Final = "examples.web.django_site.calls"
USE_TZ: Final = True

GREENROOM_URL: Final = os.environ.get("GREENROOM_URL", "sqlite:///calls.db")
