"""Media over HTTP: WHIP (RFC 9725) and WHEP, as an application to mount (extra `http`)."""

from greenroom.http.app import media_app

__all__ = ["media_app"]
