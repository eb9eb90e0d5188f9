"""The functions that statements call on PostgreSQL: JSON as it is meant, and case folding.

None calls another. `ANALYZE`, `REINDEX` and restored dumps run those that stand in indexes with
a search path of their own, where nothing of ours is found; and a schema's name, which would find
it, changes when views are built anew. What several do is written out in each.
"""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

from greenroom.domain.instants import RFC_3339

FOLD: Final = f"fold_{unicodedata.unidata_version.replace('.', '_')}"
"""Folds as this Python does; another one, that knows more letters, has a function of its own."""


class Function(NamedTuple):
    """One that gives the same for the same arguments, for ever."""

    word: str
    parameters: Mapping[str, str]
    gives: str
    body: str

    @property
    def name(self) -> str:
        """What it is called by: whatever does something else is called by another name."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()
        return f"{self.word}_{digest[:8]}"

    @property
    def signature(self) -> str:
        """The name, with the types of the parameters."""
        return f"{self.name}({', '.join(self.parameters.values())})"

    @property
    def made(self) -> str:
        """The statement that makes it."""
        parameters = ", ".join(f"{name} {type_}" for name, type_ in self.parameters.items())
        language = "sql" if self.body.startswith("SELECT") else "plpgsql"
        return (
            f"CREATE FUNCTION {self.name}({parameters}) RETURNS {self.gives}"
            f" LANGUAGE {language} IMMUTABLE PARALLEL SAFE AS $${self.body}$$"
        )


_INFINITE: Final = 2**1024 - 2**970
"""The least integer that is nearer to infinity than to any double."""
_INSIDE: Final = {"document": "text", "path": "text[]"}

# jsonb knows no NUL: it is written as two letters here, and the first of them, where it stands for
# itself, as two others, so that texts stay different and in order. See `postgres_dialect`.
_FOUND: Final = r"""(
    CASE
        WHEN strpos(document, '\u000') = 0 THEN document::jsonb
        ELSE regexp_replace(
            regexp_replace(document, '(?<!\\)((?:\\\\)*)\\u0001', '\1\\u0001\\u0002', 'g'),
            '(?<!\\)((?:\\\\)*)\\u0000', '\1\\u0001\\u0001', 'g'
        )::jsonb
    END #> path
)"""
"""What stands in `document` at `path`."""
_NUMBER: Final = f"""
    CASE
        WHEN jsonb_typeof(node) IS DISTINCT FROM 'number' THEN NULL
        WHEN node::numeric >= {_INFINITE} THEN 'Infinity'
        WHEN node::numeric <= -{_INFINITE} THEN '-Infinity'
        ELSE node::numeric::double precision
    END"""
"""The number that `node` is, as a double; null for all else."""


def _at(word: str, gives: str, value: str) -> Function:
    """The `value` of the `node` that is found."""
    body = f"""
DECLARE
    node jsonb := {_FOUND};
BEGIN
    RETURN {value};
END
"""
    return Function(word, _INSIDE, gives, body)


JSON_AT: Final = Function("json_at", _INSIDE, "jsonb", f"SELECT {_FOUND}")
TEXT_AT: Final = _at(
    "text_at", "text", "CASE jsonb_typeof(node) WHEN 'string' THEN node #>> '{}' END"
)
NUMBER_AT: Final = _at("number_at", "double precision", _NUMBER)
BOOLEAN_AT: Final = _at(
    "boolean_at", "integer", "CASE node WHEN 'true'::jsonb THEN 1 WHEN 'false'::jsonb THEN 0 END"
)
# Whole days by the calendar, then the time of day: nothing in it may fail, or depend on a setting.
INSTANT_AT: Final = Function(
    "instant_at",
    _INSIDE,
    "bigint",
    rf"""
DECLARE
    node jsonb := {_FOUND};
    said text := (CASE jsonb_typeof(node) WHEN 'string' THEN node #>> '{{}}' END) COLLATE "C";
    day date;
    seconds bigint;
    ahead bigint := 0;
    fraction text;
BEGIN
    IF said IS NULL OR said !~ '^{RFC_3339.pattern}$' OR said LIKE '0000%' THEN
        RETURN NULL;
    END IF;
    day := make_date(substr(said, 1, 4)::integer, substr(said, 6, 2)::integer, 1)
        + (substr(said, 9, 2)::integer - 1);
    IF extract(month FROM day) <> substr(said, 6, 2)::integer THEN
        RETURN NULL;
    END IF;
    seconds := (day - DATE '1970-01-01')::bigint * 86400 + substr(said, 12, 2)::integer * 3600
        + substr(said, 15, 2)::integer * 60 + substr(said, 18, 2)::integer;
    IF said ~ '[+-]..:..$' THEN
        ahead := substr(right(said, 5), 1, 2)::integer * 3600 + right(said, 2)::integer * 60;
        IF substr(right(said, 6), 1, 1) = '-' THEN
            ahead := -ahead;
        END IF;
    END IF;
    fraction := coalesce(substring(said FROM '\.([0-9]+)'), '');
    RETURN (seconds - ahead) * 1000000 + rpad(fraction, 6, '0')::integer;
END
""",
)
HAS_NUMBER: Final = Function(
    "has_number",
    {"list": "jsonb", "number": "double precision"},
    "boolean",
    f"""SELECT EXISTS (
    SELECT FROM jsonb_array_elements(CASE jsonb_typeof(list) WHEN 'array' THEN list END) one(node)
    WHERE {_NUMBER} = number
)""",
)


@cache
def _fold() -> str:
    """Case folding letter by letter; the server's own lower() depends on its locale."""
    letters = (chr(code) for code in range(1, sys.maxunicode + 1))
    changing = {letter: folded for letter in letters if (folded := letter.casefold()) != letter}
    beyond_ascii = "".join(letter for letter in changing if not letter.isascii())
    table = json.dumps(changing, ensure_ascii=False)
    return f"""
CREATE FUNCTION {FOLD}(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text := '';
    letter text;
BEGIN
    IF octet_length(said) = length(said) OR said COLLATE "C" !~ '[{beyond_ascii}]' THEN
        RETURN lower(said COLLATE "C");
    END IF;
    FOREACH letter IN ARRAY string_to_array(said, NULL) LOOP
        folded := folded || coalesce('{table}'::jsonb ->> letter, letter);
    END LOOP;
    RETURN folded;
END
$$"""


FUNCTIONS: Final[Mapping[str, Callable[[], str]]] = {
    **{
        function.signature: function.made.__str__
        for function in (JSON_AT, TEXT_AT, NUMBER_AT, BOOLEAN_AT, INSTANT_AT, HAS_NUMBER)
    },
    f"{FOLD}(text)": _fold,
}
"""What statements call: by signature, the statement that makes it, put together when needed."""
