"""Notifiers that need nothing from outside."""

from __future__ import annotations

import logging

from greenroom.domain.ports import Notification

_log = logging.getLogger(__name__)


class LoggingNotifier:
    """Writes a line for each notification instead of delivering it: the default of a room.

    Neither title nor body nor data is logged, since they may tell about people; who and which
    call is, in the message and as `notification_*` attributes of the log record.
    """

    def __init__(self, logger: logging.Logger = _log, level: int = logging.INFO) -> None:
        self._logger = logger
        self._level = level

    def notify(self, notification: Notification) -> None:
        """Log that the user would have been told."""
        self._logger.log(
            self._level,
            "%s for %s in %s",
            notification.kind,
            notification.user_id,
            notification.cid,
            extra={
                "notification_key": notification.key,
                "notification_kind": notification.kind,
                "notification_cid": notification.cid,
                "notification_user_id": notification.user_id,
                "notification_caused_by": notification.caused_by,
            },
        )
