"""Media at a Janus (extra `janus`): `JanusMedia`, to be given to `Greenroom.open(media=...)`."""

from greenroom.media.janus.adapter import JanusMedia

__all__ = ["JanusMedia"]
