"""Where a store's keys are: within its log, or apart from it; and how two places agree.

Apart, the log's table of keys says whose key is in force, by its number, and a key store has the
secret that goes with the number. So the log alone decides: a number is put there in the commit
with what is sealed under it, and taken away in the commit that erases, whoever else is writing.
What has to happen in the other place happens around that commit, and may be done again at will:

- a secret is kept before the commit that first needs it. Without the commit it is nobody's;
- the commit that erases leaves a note of the number. The secret is destroyed then, and the note
  taken away. Whoever opens the store next finds what was interrupted.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Final, Protocol

from greenroom.adapters.recorder import Draft, LogRecorder, Objection, Written
from greenroom.adapters.remembering import RememberedSecrets
from greenroom.adapters.sealing import SubjectKey, new_key_id
from greenroom.domain.errors import KeysUnavailable, NotOurStore, StoreError
from greenroom.domain.keys import KeyStore

_log = logging.getLogger(__name__)

BOUND: Final = "keys apart"
"""Stands among the subjects of a store whose keys are elsewhere; its secret says where."""
DOOMED: Final = "doomed "
"""Begins the note of a number whose secret is to be destroyed."""
_LAST: Final = "\U0010ffff"
_AT_ONCE: Final = 1_000
_TRIED_EVERY: Final = 5.0
"""Seconds between attempts to destroy what could not be destroyed."""
HOW_TO_NAME: Final = (
    "name them: Greenroom.open(url, keys=...), or --keys and GREENROOM_KEYS of the command line"
)


class Keyring(Protocol):
    """Finds keys, and writes drafts to the log so that the keys go with them."""

    def find(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order; None for one without."""
        ...

    def write(self, draft: Draft) -> Written | Objection:
        """Write all of `draft`; or say what is against it."""
        ...

    def forget(self, subjects: Collection[str]) -> None:
        """Destroy the keys of `subjects`, and whatever was to be destroyed before."""
        ...

    def close(self) -> None:
        """Release what it has opened. Twice is fine."""
        ...


class KeysWithin:
    """Keys in a table of the log: in one transaction with what they seal.

    Raises:
        KeysUnavailable: the keys of this log are elsewhere.
    """

    def __init__(self, recorder: LogRecorder) -> None:
        self._recorder = recorder
        if recorder.keys([BOUND]) != [None]:
            raise _elsewhere()

    def find(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """As the log has them."""
        found = self._recorder.keys(subjects)
        if any(key is not None and not key.secret for key in found):
            raise _elsewhere()
        return found

    def write(self, draft: Draft) -> Written | Objection:
        """As the log does it; new keys only while nobody has bound it to a key store."""
        if draft.new_keys:
            draft = replace(draft, keys={**draft.keys, BOUND: None})
        answer = self._recorder.write(draft)
        if isinstance(answer, Objection) and BOUND in answer.keys:
            raise _elsewhere()
        return answer

    def forget(self, subjects: Collection[str]) -> None:
        """As the log does it."""
        self._recorder.forget(subjects)

    def close(self) -> None:
        """Nothing was opened."""


class KeysApart:
    """Keys in a key store, of which the log has the numbers.

    Args:
        recorder: the log; bound to the key store from now on, if it has no keys yet.
        keys: where secrets are kept. Secrets that were found are remembered for a while.
        owned: whether to close it with the rest.

    Raises:
        KeysUnavailable: the key store cannot be asked.
        NotOurStore: these are not the keys of this log.
        StoreError: the log has its keys within.
    """

    def __init__(self, recorder: LogRecorder, keys: KeyStore, *, owned: bool) -> None:
        self._recorder = recorder
        self._keys = keys
        self._owned = owned
        self._remembered = RememberedSecrets(keys.find)
        self._tried: float | None = None
        """When something could not be destroyed last; None while all is."""
        _bind(recorder, keys.identity)
        self._finish()

    def find(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """Those whose numbers the log has, and whose secrets are kept."""
        held = self._recorder.keys(subjects)
        numbers = {one.key_id for one in held if one is not None}
        if not numbers:
            return [None] * len(held)
        found = self._remembered.find(numbers)
        return [
            None if one is None or one.key_id not in found else _with(one, found) for one in held
        ]

    def write(self, draft: Draft) -> Written | Objection:
        """Keep what is new, write, destroy what the draft erases."""
        self._try_again()
        if not draft.new_keys and not draft.forgets:
            return self._recorder.write(draft)
        new = {key.key_id: key.secret for key in draft.new_keys.values()}
        if new:
            self._keys.keep(new)
        apart, doomed = self._apart(draft)
        if doomed:
            self._keys.find(doomed)  # whether it can be asked, before anybody is erased
        answer = self._recorder.write(apart)
        if isinstance(answer, Objection):
            self._let_go(new, draft, answer)
        else:
            self._remembered.add(new)
            self._destroy_soon(doomed)
        return answer

    def forget(self, subjects: Collection[str]) -> None:
        """Take the numbers away, and destroy all secrets that are to be destroyed."""
        while subjects and isinstance(self.write(Draft(forgets=subjects)), Objection):
            pass  # somebody else was at it
        self._finish()

    def close(self) -> None:
        """Forget all secrets, and close a key store of our own."""
        self._remembered.clear()
        if self._owned:
            self._keys.close()

    def _apart(self, draft: Draft) -> tuple[Draft, Collection[int]]:
        """What of `draft` the log is told, and the numbers that are to be destroyed after it."""
        expected = {**draft.keys}
        about = [*draft.forgets]
        for subject, held in zip(about, self._recorder.keys(about), strict=True):
            expected.setdefault(subject, None if held is None else held.key_id)
        numbers = {subject: key.key_id for subject, key in draft.new_keys.items()}
        found = [numbers.get(subject) or expected[subject] for subject in about]
        doomed = [number for number in found if number is not None]
        new_keys = {subject: SubjectKey(number, b"") for subject, number in numbers.items()}
        for number in doomed:
            new_keys[_note(number)] = SubjectKey(new_key_id(), b"")
        return replace(draft, keys=expected, new_keys=new_keys), doomed

    def _let_go(self, new: Mapping[int, bytes], draft: Draft, objection: Objection) -> None:
        """Nothing was written: the new secrets are nobody's, nor are numbers without a secret."""
        self._keys.destroy(new)
        for subject, number in objection.keys.items():
            if number is None or draft.keys.get(subject, number) is not None:
                continue
            # The draft took the subject for one without a key. Then the secret is gone: it was
            # destroyed since, and the log restored from a backup of before.
            if not self._keys.find([number]):
                self._recorder.write(Draft(keys={subject: number}, forgets=[subject]))

    def _destroy_soon(self, doomed: Collection[int]) -> None:
        """Now; or, where that fails, before long: what erased it is recorded already."""
        try:
            self._destroy(doomed)
        except StoreError:
            _log.warning("keys of what was erased are to be destroyed yet", exc_info=True)
            self._tried = monotonic()

    def _try_again(self) -> None:
        if self._tried is not None and monotonic() - self._tried > _TRIED_EVERY:
            try:
                self._finish()
            except StoreError:
                self._tried = monotonic()

    def _finish(self) -> None:
        """Destroy all that is noted, by whichever process."""
        while notes := self._recorder.subjects(DOOMED, DOOMED + _LAST, _AT_ONCE):
            self._destroy([int(note.removeprefix(DOOMED)) for note in notes])
        self._tried = None

    def _destroy(self, numbers: Collection[int]) -> None:
        if numbers:
            self._remembered.drop(numbers)
            self._keys.destroy(numbers)
            self._recorder.write(Draft(forgets=[_note(number) for number in numbers]))


def keyring(recorder: LogRecorder, keys: KeyStore | None, *, owned: bool = False) -> Keyring:
    """The keys of a log: within it where no key store is named."""
    if keys is None:
        return KeysWithin(recorder)
    return KeysApart(recorder, keys, owned=owned)


def is_bound(recorder: LogRecorder) -> bool:
    """Whether the keys of a log are elsewhere."""
    return recorder.keys([BOUND]) != [None]


def _bind(recorder: LogRecorder, identity: bytes) -> None:
    """Write down in the log which key store has its keys, unless that stands there."""
    while True:
        (held,) = recorder.keys([BOUND])
        if held is not None:
            break
        _check_empty(recorder)
        mark = {BOUND: SubjectKey(new_key_id(), identity)}
        if isinstance(recorder.write(Draft(keys={BOUND: None}, new_keys=mark)), Written):
            try:
                _check_empty(recorder)  # somebody may have been at it; from now on nobody can
            except StoreError:
                recorder.write(Draft(forgets=[BOUND]))
                raise
    if held.secret != identity:
        raise NotOurStore("these are the keys of another store; name this one's")


def _check_empty(recorder: LogRecorder) -> None:
    """There is no key within."""
    subjects = [one for one in recorder.subjects("", _LAST, _AT_ONCE) if one != BOUND]
    if any(key is not None and key.secret for key in recorder.keys(subjects)):
        raise StoreError(
            "the store has its keys within; move them out with `greenroom copy --to-keys`,"
            " or open it without `keys`"
        )


def _note(number: int) -> str:
    return f"{DOOMED}{number}"


def _with(held: SubjectKey, found: Mapping[int, bytes]) -> SubjectKey:
    return SubjectKey(held.key_id, found[held.key_id])


def _elsewhere() -> KeysUnavailable:
    return KeysUnavailable(f"the keys of this store are elsewhere; {HOW_TO_NAME}")
