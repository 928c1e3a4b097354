"""The house stands as drawn: imports point one way, and nothing reaches round that."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS = ["customers", "scoring", "segments", "campaigns", "config"]
FORBIDDEN_NAMES = {"services.py", "selectors.py", "utils.py", "helpers.py", "managers.py", "common.py", "signals.py"}
FORBIDDEN_IMPORTS = ("pickle", "joblib", "django.dispatch", "django.db.models.signals")
HEAVY = (
    "scoring.learners",
    "sklearn",
    "skops",
    "statsmodels",
    "scipy.stats",
    "scipy.optimize",
    "pandas",
)  # seconds each process
STARTS_AT_ONCE = [
    *("manage.py", "config/urls.py", "config/wsgi.py", "config/checks.py", "config/broker.py"),
    *(f"{layer}/{name}.py" for layer in LAYERS for name in ("admin", "api", "apps", "views")),
    *(f"customers/management/commands/{name}.py" for name in ("erase", "import_customers", "import_events", "lake")),
    "campaigns/management/commands/explain.py",
]
FILES = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py") if "migrations" not in path.parts]


def imported(tree: ast.AST) -> list[tuple[int, str]]:
    """Give every imported module with its line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            found.append((node.lineno, node.module or ""))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    mine = LAYERS.index(path.relative_to(ROOT).parts[0])
    for line, module in imported(ast.parse(path.read_text())):
        top = module.split(".")[0]
        if top in LAYERS:
            assert LAYERS.index(top) <= mine, f"{path.name}:{line} imports {module}, which stands above"
        assert not module.startswith(FORBIDDEN_IMPORTS), f"{path.name}:{line} imports {module}"
        assert top != "tests", f"{path.name}:{line} imports tests"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_reaches_round_the_layers(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
            assert not inner, f"{path.name}:{node.lineno} {node.name} imports inside a function"
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{path.name}:{node.lineno} {node.name} has {length} lines"
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"get_model", "import_string", "import_module"}, (
                f"{path.name}:{node.lineno} {node.attr}"
            )


def test_files_are_named_for_what_they_do_and_stay_small() -> None:
    for path in FILES:
        assert path.name not in FORBIDDEN_NAMES, path
        assert len(path.read_text().splitlines()) <= 600, f"{path} is over 600 lines"


def test_every_app_has_one_door_for_pages_api_admin_and_tasks() -> None:
    for layer in LAYERS[:-1]:
        for name in ("api.py", "admin.py", "tasks.py", "views.py"):
            assert len(list((ROOT / layer).rglob(name))) <= 1, f"{layer} has several {name}"


def reached(path: Path) -> dict[str, str]:
    """Give every module that loading a file loads, of ours and straight from ours, with the chain that leads there."""
    found: dict[str, str] = {}
    waiting = [(path, path.name)]
    while waiting:
        here, chain = waiting.pop()
        for module in names_loaded(here):
            if module in found:
                continue
            found[module] = f"{chain} > {module}"
            base = ROOT / module.replace(".", "/")
            waiting += [
                (one, found[module]) for one in (base.with_suffix(".py"), base / "__init__.py") if one.is_file()
            ]
    return found


@functools.cache
def names_loaded(path: Path) -> set[str]:
    """Give each imported name as a module and as what is taken from one: `from a import b` may load a.b."""
    tree = ast.parse(path.read_text())
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    taken = {f"{node.module}.{alias.name}" for node in parts for alias in node.names}
    return taken | {module for _, module in imported(tree)}


@pytest.mark.parametrize("path", [one for one in STARTS_AT_ONCE if (ROOT / one).is_file()])
def test_what_people_wait_for_starts_without_the_learners(path: str) -> None:
    chains = [chain for module, chain in reached(ROOT / path).items() if module.startswith(HEAVY)]
    assert not chains, chains


def test_training_loads_the_learners() -> None:
    assert "skops" in reached(ROOT / "scoring/management/commands/train.py")
