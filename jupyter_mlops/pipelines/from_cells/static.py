"""What the text of a cell tells beside its names: setting up, installing, handles, values that share nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set

from ...cells.api import code_of, imported_by
from ...i18n import gettext as _

#: What sets state of the process or of a library that no variable shows.
_SETS = re.compile(
    r"\bwarnings\.(?:simplefilter|filterwarnings|resetwarnings)|\b(?:simplefilter|filterwarnings)\("
    r"|\bset_option\(|\bpd\.options\b|\brcParams\b|\benviron\b|\bputenv\(|\bchdir\(|\bsys\.path\b|\bseterr\("
    r"|\bset_printoptions\(|\bstyle\.use\(|\bmatplotlib\.use\(|\bset_theme\(|\bset_style\(|\bset_context\("
    r"|\bset_palette\(|\bset_config\(|\buse_deterministic_algorithms\(|\bset_default_\w+\(|\bset_num_threads\("
    r"|\bsetlocale\(|\bbasicConfig\(|\bsetLevel\(|\bsetrecursionlimit\(|\bautolog\(|\bset_experiment\("
    r"|\bset_tracking_uri\(|\bgetcontext\(\)\.|\bsetcontext\(|\bload_dotenv\("
)
_MAGIC = re.compile(
    r"^\s*%(?:cd|env|set_env|pip|conda|mamba|uv|autoreload|aimport|pushd|popd|matplotlib|config|load_ext|reload_ext"
    r"|alias_magic|precision)\b.*$",
    flags=re.MULTILINE,
)
_INSTALL = re.compile(
    r"^\s*(?:%|!)\s*(?:(?:python3?|\{?sys\.executable\}?)\s+-m\s+)?(?:uv\s+)?(?:pip3?|conda|mamba)\s+install\b(.*)$"
)
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][\w.-]*(?:\[[\w,-]+\])?(?:[=<>!~]=?[^\s]*)?$")
_OPTIONS_WITH_VALUE = {"-i", "--index-url", "--extra-index-url", "-c", "--constraint", "-t", "--target", "-f"}
_OPTIONS_WITH_VALUE |= {"--find-links", "--prefix", "--root", "--python", "-n", "--channel", "--timeout", "--proxy"}
#: Words without which a notebook draws nothing at random.
RANDOM = re.compile(r"\brand|\bseed|shuffle|\bsample\(|torch|random")
#: Calls that make what can't be pickled, by the end of their dotted name → why not.
_HANDLES = {
    "open": _("an open file"),
    "connect": _("a connection"),
    "create_engine": _("a connection"),
    "Session": _("a connection"),
    "Client": _("a connection"),
    "socket": _("a connection"),
    "Lock": _("a lock"),
    "RLock": _("a lock"),
    "iter": _("an iterator"),
    "ThreadPoolExecutor": _("it is running"),
    "ProcessPoolExecutor": _("it is running"),
    "Popen": _("it is running"),
    "Thread": _("it is running"),
}


def sets_up(source: str, known: Set[str] = frozenset()) -> bool:
    """Whether a cell sets state that later cells may depend on without naming it. Function bodies don't count.

    ``known`` holds names that cells above import.
    """
    sets = _SETS.search(run_at_once(source)) or _MAGIC.search(source) or installs(source)
    return bool(sets) or patches(source, known)


def patches(source: str, known: Set[str] = frozenset()) -> bool:
    """Whether a cell sets an attribute or item of what it, or a cell above, imports, or the name shows to be one."""
    code = code_of(source)
    if code is None:
        return False
    modules = {name for node in ast.walk(code.tree) if isinstance(node, ast.Import) for name in imported_by(node)}
    modules |= ({"np", "pd", "plt", "os", "sys", "mpl", "sns", "torch"} | known) & code.reads
    for node in _at_once(code.tree):
        given = node.args[:1] if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr") else []
        if any(_root(each) in modules for each in given):
            return True
        for target in _targets(node):
            if not isinstance(target, ast.Name) and _root(target) in modules:
                return True
    return False


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def imported(source: str) -> set[str]:
    """Return the names that the imports of a cell bind."""
    code = code_of(source)
    nodes = ast.walk(code.tree) if code is not None else ()
    return {name for each in nodes if isinstance(each, (ast.Import, ast.ImportFrom)) for name in imported_by(each)}


def run_at_once(source: str) -> str:
    """Return the code that runs when the cell runs: without the bodies of functions, without magics of the process."""
    code = code_of(_without_magics(source))
    if code is None:
        return source
    kept = [node for node in code.tree.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return "\n".join(ast.unparse(node) for node in kept)


def only_prepares(source: str) -> bool:
    """Whether a cell only imports, defines and sets up: what every step can do for itself."""
    code = code_of(_without_magics(source))
    if code is None:
        return False
    prepares = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
    for node in code.tree.body:
        if isinstance(node, prepares):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        text = ast.unparse(node)
        seeds = re.fullmatch(r"[\w.]*\b(?:seed|manual_seed|seed_everything|set_seed)\(\w+\)", text)
        if not (_SETS.search(text) or seeds or patches(text)):
            return False
    return bool(code.tree.body) or bool(_MAGIC.search(source)) or only_installs(source)


def _without_magics(source: str) -> str:
    """Return a cell without the lines that act on the process alone."""
    lines = _MAGIC.sub("", source).splitlines()
    return "\n".join("" if _INSTALL.match(line) else line for line in lines)


def installs(source: str) -> list[str]:
    """Return what a cell installs (``%pip install seaborn==0.13`` gives ``seaborn==0.13``); paths count as well."""
    found: list[str] = []
    for line in source.splitlines():
        if match := _INSTALL.match(line):
            words = iter(match[1].split())
            for word in words:
                if word in _OPTIONS_WITH_VALUE:
                    next(words, None)
                elif word in ("-r", "--requirement"):
                    found.append(f"-r {next(words, '')}")
                elif not word.startswith("-") and (_REQUIREMENT.match(word) or "/" in word):
                    found.append(word.strip("'\""))
    return found


def only_installs(source: str) -> bool:
    """Whether all that a cell does is to install packages."""
    lines = [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]
    return bool(lines) and all(_INSTALL.match(line) for line in lines)


def shares_nothing(source: str) -> set[str]:
    """Return the names whose values a cell can't tie to others: imported ones, constants, plain functions."""
    code = code_of(source)
    if code is None:
        return set()
    found, other = set[str](), set[str]()
    for node in code.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(imported_by(node))
        elif isinstance(node, ast.FunctionDef) and not node.decorator_list and _constants(node.args):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found.update(each.id for each in node.targets if isinstance(each, ast.Name))
        else:
            other |= {
                each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            }
    changed = {root for node in ast.walk(code.tree) for root in _attribute_roots(node)}
    return found - other - changed


def handles(source: str) -> dict[str, str]:
    """Return the names that a cell binds to what can't be pickled, as its text shows → why not."""
    code = code_of(source)
    found: dict[str, str] = {}
    for node in ast.walk(code.tree) if code is not None else ():
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            reason = _handle(node.value)
            for target in _targets(node):
                if reason and isinstance(target, ast.Name):
                    found[target.id] = reason
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:  # it is closed when the cell ends, and the name stays
                if isinstance(item.optional_vars, ast.Name) and (reason := _handle(item.context_expr)):
                    found[item.optional_vars.id] = reason
    return found


def opened_again(source: str) -> set[str]:
    """Return the names of files, connections and locks that running the cell once more opens as they were.

    The state of these lies outside the process: a file that is added to, a database in a file; of a lock there is
    none while nobody holds it. The cell must do nothing else.
    """
    code = code_of(source)
    if code is None:
        return set()
    found: set[str] = set()
    for node in code.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            continue
        if not isinstance(node, ast.Assign) or not all(isinstance(each, ast.Name) for each in node.targets):
            return set()
        if isinstance(node.value, ast.Constant):
            continue
        if not (isinstance(node.value, ast.Call) and _opens_again(node.value)):
            return set()
        found |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return found


def _opens_again(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    texts = [each.value for each in [*call.args, *(k.value for k in call.keywords)] if isinstance(each, ast.Constant)]
    if name == "open":
        return any(isinstance(each, str) and re.fullmatch(r"[bt]?a[bt]?", each) for each in texts[1:])
    if name in ("sqlite3.connect", "duckdb.connect"):
        return bool(call.args or call.keywords) and not any(":memory:" in str(each) or each == "" for each in texts)
    return name in ("threading.Lock", "threading.RLock", "Lock", "RLock") and not call.args


def _handle(value: ast.expr) -> str:
    if isinstance(value, ast.GeneratorExp):
        return _("it stands in the middle of its code")
    if isinstance(value, ast.Call):
        last = ast.unparse(value.func).rpartition(".")[2]
        return _HANDLES.get(last, "")
    return ""


def _constants(arguments: ast.arguments) -> bool:
    defaults = [*arguments.defaults, *(each for each in arguments.kw_defaults if each is not None)]
    return all(isinstance(each, ast.Constant) for each in defaults)


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, (ast.Assign, ast.Delete)):
        return node.targets
    return [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else []


def _attribute_roots(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        root: ast.expr = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if isinstance(root, ast.Name):
            yield root.id


def _at_once(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of the code that runs when the cell runs."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
