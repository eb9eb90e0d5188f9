"""The rules of calls once more, as simply as can be: what an application is compared with.

Written from the vocabulary's tables and sentences with plain dictionaries and ifs, apart from the
rules that decide: one mistake is not made twice. Nothing of greenroom is imported here.
"""

from greenroom.testing.model.call_model import CallModel
from greenroom.testing.model.world import Outcome, Refusal, Who

__all__ = ["CallModel", "Outcome", "Refusal", "Who"]
