"""Imports point downward: the order of the packages, stated once."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from conftest import ROOT

SOURCE = ROOT / "src"
# Each package or module imports from layers above it in this list and from its own. Of a package whose modules are in
# several layers, each module is named.
LAYERS = (
    ("compat",),
    (
        *("errors", "formatting", "server_names", "redaction", "csv_tables", "unquoted_parameters"),
        *("cli", "cli.interruption", "figure_layout", "training_steps", "user_code"),
        *("user_files", "process_times"),
        *("cache_paths", "hardware", "provenance", "image_losses", "run_artifacts", "statistics"),
        *("verdicts", "answer"),
    ),
    ("cli.output", "crash_safe_pool", "optimizers", "networks", "pretrained", "schedules"),
    ("settings", "cli.command_line", "cli.unknown_parameters"),
    ("data",),
    ("training",),
    ("plots", "image_model"),
    ("tracking",),
    ("prediction", "study", "cluster", "compare", "cli.entry_point"),
)
SPLIT_PACKAGES = {name.partition(".")[0] for layer in LAYERS for name in layer if "." in name}
# Beside them: the report needs neither torch nor Optuna, and nothing of what trains.
REPORT_MAY_IMPORT = (
    "report",
    *LAYERS[0],
    *LAYERS[1],
    "cli.command_line",
    "cli.unknown_parameters",
    "optimizers",
    "networks",
    "schedules",
    "settings",
)
FORBIDDEN_LIBRARIES = {
    "settings": {"mlflow", "optuna", "torch", "torchvision"},
    "data": {"mlflow", "optuna"},
    "training": {"mlflow", "optuna"},
    "plots": {"mlflow", "optuna"},
    "image_model": {"optuna", "sklearn", "torchvision"},
    "tracking": {"optuna"},
    "report": {"torch", "torchvision", "optuna"},
    "statistics": {"mlflow", "optuna", "pandas", "torch", "torchvision"},
    "compare": {"mlflow", "optuna", "pandas", "rich", "torch", "torchvision"},
}
# Modules that start fast, without PyTorch: a study's driver, the report, and all that a command does first.
WITHOUT_TORCH = (
    *("lrstudy.cli.command_line", "lrstudy.cli.entry_point", "lrstudy.settings", "lrstudy.data"),
    *("lrstudy.study.run_study", "lrstudy.study.grid", "lrstudy.study.search"),
    *("lrstudy.tracking.sync", "lrstudy.tracking.continuation", "lrstudy.prediction.decode_files"),
    *("lrstudy.plots.png", "lrstudy.report.command_line", "lrstudy.compare.command"),
)
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCE / "lrstudy").rglob("*.py"))
}


def package_of(module: str) -> str:
    """Return the layer's entry that `module` belongs to: `lrstudy.data.cache` is in `data`."""
    package, _, inside = module.removeprefix("lrstudy.").partition(".")
    return f"{package}.{inside}" if package in SPLIT_PACKAGES and inside else package


@cache
def imports(module: str, *, at_start: bool) -> frozenset[str]:
    """Return the modules that `module` imports, anywhere or only while it is itself imported."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return frozenset(name for node in statements(tree, at_start) for name in imported(node))


def statements(node: ast.AST, at_start: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if at_start and (is_deferred or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))):
            continue
        yield child
        yield from statements(child, at_start)


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        parts = [f"{node.module}.{alias.name}" for alias in node.names]
        return [part if part in MODULES else str(node.module) for part in parts]
    return []


def test_every_module_is_in_a_layer() -> None:
    known = {"report", *(name for layer in LAYERS for name in layer)}
    assert {package_of(module) for module in MODULES if module != "lrstudy"} == known


@pytest.mark.parametrize("module", [module for module in MODULES if module != "lrstudy"])
def test_a_module_imports_from_its_own_layer_and_those_below_it(module: str) -> None:
    own = package_of(module)
    if own == "report":
        allowed = set(REPORT_MAY_IMPORT)
    else:
        level = next(number for number, layer in enumerate(LAYERS) if own in layer)
        allowed = {name for layer in LAYERS[: level + 1] for name in layer}
    ours = {name for name in imports(module, at_start=False) if name.startswith("lrstudy.")}
    upward = {name for name in ours if package_of(name) not in allowed}
    assert not upward, f"{module} imports {sorted(upward)}"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "lrstudy"])
def test_a_package_does_not_import_the_libraries_that_it_must_not_know(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imports(module, at_start=False)}
    assert not libraries & FORBIDDEN_LIBRARIES.get(package_of(module), set())


def test_the_cluster_alone_knows_dask() -> None:
    dask = {"dask", "distributed"}
    knowing = {name for name in MODULES if dask & {i.partition(".")[0] for i in imports(name, at_start=False)}}
    assert {package_of(name) for name in knowing} == {"cluster", "compat"}
    asking = {name for name in MODULES if any(i.startswith("lrstudy.cluster") for i in imports(name, at_start=True))}
    assert {package_of(name) for name in asking} == {"cluster"}


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_a_module_does_not_import_torch_while_it_is_imported(module: str) -> None:
    reached, waiting = dict[str, str](), [(module, module)]
    while waiting:
        name, way = waiting.pop()
        if name in reached:
            continue
        reached[name] = way
        parents = [name.rpartition(".")[0]] if "." in name else []
        ours = [other for other in (*imports(name, at_start=True), *parents) if other in MODULES]
        waiting += [(other, f"{way} → {other}") for other in ours]
    heavy = {"torch", "torchvision"}
    ways = [way for name, way in reached.items() if heavy & {i.partition(".")[0] for i in imports(name, at_start=True)}]
    assert not ways


def test_imports_are_found_at_the_start_and_within_functions() -> None:
    tree = ast.parse("import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    from lrstudy.data import load, cache\n")
    names = [{name for node in statements(tree, at_start) for name in imported(node)} for at_start in (True, False)]
    assert names == [{"a"}, {"a", "b", "lrstudy.data", "lrstudy.data.cache"}]
