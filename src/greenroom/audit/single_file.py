"""The verifier as one file: the modules that it stands on, one after the other."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

PARTS: Final = (
    *(
        "trees",
        "call_map",
        "leaves",
        "ed25519",
        "notes",
        "archive",
        "proof_json",
        "record_proof",
        "verifier",
    ),
)
"""In the order in which they need each other."""
_OURS: Final = "greenroom."
_BEGIN: Final = "if __name__ == '__main__':\n    sys.exit(main())\n"


@cache
def single_file() -> bytes:
    """The program, as it comes with every bundle of this version."""
    parts = [_part(name) for name in PARTS]
    imports = _merged(node for found, _ in parts for node in found)
    opening = f'"""{_opening()}"""\n\nfrom __future__ import annotations\n\n'
    bodies = [body for _, body in parts]
    return (opening + "\n".join(imports) + "\n\n\n" + "\n\n".join([*bodies, _BEGIN])).encode()


def _opening() -> str:
    tree = ast.parse(_source("verifier"))
    return ast.get_docstring(tree, clean=False) or ""


def _merged(nodes: Iterable[ast.Import | ast.ImportFrom]) -> list[str]:
    """One line for each module; modules that are imported as such come first."""
    plain: set[str] = set()
    named: defaultdict[str, set[str]] = defaultdict(set)
    for node in nodes:
        if isinstance(node, ast.Import):
            plain.update(map(ast.unparse, node.names))
        else:
            named[node.module or ""].update(map(ast.unparse, node.names))
    return [
        *(f"import {name}" for name in sorted(plain)),
        *(
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in sorted(named.items())
        ),
    ]


def _part(name: str) -> tuple[list[ast.Import | ast.ImportFrom], str]:
    """What a module imports from the standard library, and all that follows its imports."""
    source = _source(name)
    tree = ast.parse(source)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    last = max(node.end_lineno or 0 for node in imports)
    needed = [node for node in imports if not _is_ours(node)]
    explained = "" if name == "verifier" else f'"""{ast.get_docstring(tree, clean=False)}"""\n\n'
    body = "\n".join(source.splitlines()[last:]).strip()
    return needed, f"{explained}{body}\n"


def _is_ours(node: ast.Import | ast.ImportFrom) -> bool:
    module = getattr(node, "module", None) or ""
    return module.startswith(_OURS) or module == "__future__"


def _source(name: str) -> str:
    return Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
