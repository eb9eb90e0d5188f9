"""What a WSGI server serves.

`GREENROOM_URL=postgresql://... gunicorn --workers 4 --threads 8 examples.web.django_site.wsgi`
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.web.django_site.settings")
application = get_wsgi_application()
