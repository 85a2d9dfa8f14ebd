"""Which objects are never kept, though some of them could be pickled: a copy would not be what it stands for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from ..i18n import gettext as _

#: Packages whose classes are known to come back from pickle as they are.
TRUSTED = sys.stdlib_module_names | {
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "torch",
    "pyarrow",
    "polars",
    "xgboost",
    "lightgbm",
    "catboost",
    "statsmodels",
    "joblib",
    "dateutil",
    "pytz",
    "networkx",
}

_FILE = _("an open file")
_CONNECTION = _("a connection")
_LOCK = _("a lock, or what waits on one")
_RUNNING = _("it is running")
_SUSPENDED = _("it stands in the middle of its code")
_CONSUMED = _("an iterator whose state can't be kept in every version of Python")
_WEAK = _("a weak reference")
_SCREEN = _("it is bound to what is on the screen")
_PROCESS = _("it belongs to this process")
_DEVICE = _("a handle of a device")
_MEMORY = _("memory that belongs to something else")
_VIEW = _("it is only a view of something else")
_SERVICE = _("a handle of a service")

#: Full names of classes; their subclasses count as well.
_BY_NAME: dict[str, str] = {
    "_io.FileIO": _FILE,
    "_io.TextIOWrapper": _FILE,
    "_io._BufferedIOBase": _FILE,
    "_io.BufferedRWPair": _FILE,
    "tempfile._TemporaryFileWrapper": _FILE,
    "tempfile.TemporaryDirectory": _FILE,
    "tempfile.SpooledTemporaryFile": _FILE,
    "zipfile.ZipFile": _FILE,
    "tarfile.TarFile": _FILE,
    "numpy.memmap": _FILE,
    "numpy.lib.npyio.NpzFile": _FILE,
    "numpy.lib._npyio_impl.NpzFile": _FILE,
    "mmap.mmap": _FILE,
    "posix.DirEntry": _FILE,
    "pandas.io.pytables.HDFStore": _FILE,
    "pandas.io.excel._base.ExcelFile": _FILE,
    "pandas.io.excel._base.ExcelWriter": _FILE,
    "pandas.io.parsers.readers.TextFileReader": _FILE,
    "pyarrow.lib.NativeFile": _FILE,
    "pyarrow.parquet.core.ParquetFile": _FILE,
    "pyarrow.parquet.core.ParquetWriter": _FILE,
    "h5py._hl.base.HLObject": _FILE,
    "fsspec.core.OpenFile": _FILE,
    "fsspec.spec.AbstractBufferedFile": _FILE,
    "sqlite3.Connection": _CONNECTION,
    "sqlite3.Cursor": _CONNECTION,
    "_socket.socket": _CONNECTION,
    "ssl.SSLContext": _CONNECTION,
    "http.client.HTTPConnection": _CONNECTION,
    "http.client.HTTPResponse": _CONNECTION,
    "smtplib.SMTP": _CONNECTION,
    "ftplib.FTP": _CONNECTION,
    "requests.sessions.Session": _CONNECTION,
    "urllib3.poolmanager.PoolManager": _CONNECTION,
    "httpx.Client": _CONNECTION,
    "httpx.AsyncClient": _CONNECTION,
    "fsspec.spec.AbstractFileSystem": _CONNECTION,
    "pyarrow._fs.FileSystem": _CONNECTION,
    "_duckdb.DuckDBPyConnection": _CONNECTION,
    "_duckdb.DuckDBPyRelation": _CONNECTION,
    "sqlalchemy.engine.base.Engine": _CONNECTION,
    "sqlalchemy.engine.base.Connection": _CONNECTION,
    "sqlalchemy.orm.session.Session": _CONNECTION,
    "sqlalchemy.orm.session.sessionmaker": _CONNECTION,
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "threading.Condition": _LOCK,
    "threading.Event": _LOCK,
    "threading.Semaphore": _LOCK,
    "threading.Barrier": _LOCK,
    "_thread._local": _PROCESS,
    "queue.Queue": _LOCK,
    "_queue.SimpleQueue": _LOCK,
    "asyncio.mixins._LoopBoundMixin": _LOCK,
    "threading.Thread": _RUNNING,
    "concurrent.futures._base.Executor": _RUNNING,
    "concurrent.futures._base.Future": _RUNNING,
    "subprocess.Popen": _RUNNING,
    "asyncio.events.AbstractEventLoop": _RUNNING,
    "_asyncio.Future": _RUNNING,
    "multiprocessing.process.BaseProcess": _RUNNING,
    "multiprocessing.pool.Pool": _RUNNING,
    "multiprocessing.managers.BaseManager": _RUNNING,
    "multiprocessing.managers.BaseProxy": _RUNNING,
    "multiprocessing.shared_memory.SharedMemory": _MEMORY,
    "multiprocessing.synchronize.SemLock": _LOCK,
    "multiprocessing.queues.Queue": _LOCK,
    "multiprocessing.connection._ConnectionBase": _CONNECTION,
    "builtins.generator": _SUSPENDED,
    "builtins.coroutine": _SUSPENDED,
    "builtins.async_generator": _SUSPENDED,
    "builtins.frame": _SUSPENDED,
    "builtins.traceback": _SUSPENDED,
    "contextlib._GeneratorContextManager": _SUSPENDED,
    "contextlib._BaseExitStack": _SUSPENDED,
    "builtins.dict_keyiterator": _CONSUMED,
    "builtins.dict_valueiterator": _CONSUMED,
    "builtins.dict_itemiterator": _CONSUMED,
    "builtins.dict_reversekeyiterator": _CONSUMED,
    "builtins.set_iterator": _CONSUMED,
    "builtins.callable_iterator": _CONSUMED,
    "builtins.dict_keys": _VIEW,
    "builtins.dict_values": _VIEW,
    "builtins.dict_items": _VIEW,
    "builtins.memoryview": _VIEW,
    "pickle.PickleBuffer": _MEMORY,
    "_ctypes._SimpleCData": _MEMORY,
    "_ctypes._Pointer": _MEMORY,
    "_ctypes.Structure": _MEMORY,
    "_ctypes.Union": _MEMORY,
    "_ctypes.Array": _MEMORY,
    "_ctypes.CFuncPtr": _MEMORY,
    "ctypes.CDLL": _MEMORY,
    "builtins.PyCapsule": _MEMORY,
    "weakref.ReferenceType": _WEAK,
    "builtins.weakref": _WEAK,
    "weakref.WeakSet": _WEAK,
    "_weakrefset.WeakSet": _WEAK,
    "weakref.WeakValueDictionary": _WEAK,
    "weakref.WeakKeyDictionary": _WEAK,
    "weakref.ProxyType": _WEAK,
    "weakref.CallableProxyType": _WEAK,
    "builtins.weakproxy": _WEAK,
    "builtins.weakcallableproxy": _WEAK,
    "weakref.finalize": _WEAK,
    "_contextvars.ContextVar": _PROCESS,
    "_contextvars.Context": _PROCESS,
    "_contextvars.Token": _PROCESS,
    "builtins.ContextVar": _PROCESS,
    "builtins.Context": _PROCESS,
    "builtins.Token": _PROCESS,
    "os._Environ": _PROCESS,
    "logging.Handler": _PROCESS,
    "logging.Manager": _PROCESS,
    "warnings.catch_warnings": _PROCESS,
    "traitlets.config.configurable.Configurable": _PROCESS,
    "IPython.core.interactiveshell.InteractiveShell": _PROCESS,
    "IPython.core.display_functions.DisplayHandle": _SCREEN,
    "ipywidgets.widgets.widget.Widget": _SCREEN,
    "ipywidgets.widgets.widget_output.Output": _SCREEN,
    "tqdm.std.tqdm": _SCREEN,
    "matplotlib.figure.FigureBase": _SCREEN,
    "matplotlib.artist.Artist": _SCREEN,
    "matplotlib.backend_bases.FigureCanvasBase": _SCREEN,
    "matplotlib.backend_bases.FigureManagerBase": _SCREEN,
    "matplotlib.animation.Animation": _SCREEN,
    "matplotlib.RcParams": _PROCESS,
    "mlflow.tracking.fluent.ActiveRun": _SERVICE,
    "mlflow.tracking.client.MlflowClient": _SERVICE,
    "wandb.sdk.wandb_run.Run": _SERVICE,
    "optuna.storages._rdb.storage.RDBStorage": _SERVICE,
    "optuna.storages._cached_storage._CachedStorage": _SERVICE,
    "optuna.storages.journal._storage.JournalStorage": _SERVICE,
    "optuna.storages._grpc.client.GrpcStorageProxy": _SERVICE,
    "torch.cuda.streams.Stream": _DEVICE,
    "torch.cuda.streams.Event": _DEVICE,
    "torch.cuda.graphs.CUDAGraph": _DEVICE,
    "torch.storage.UntypedStorage": _MEMORY,
    "torch.storage.TypedStorage": _MEMORY,
    "torch.utils.data.dataloader._BaseDataLoaderIter": _RUNNING,
    "torch.utils.tensorboard.writer.SummaryWriter": _FILE,
    "torch.utils.hooks.RemovableHandle": _PROCESS,
}

#: Beginnings of module names.
_BY_MODULE: dict[str, str] = {
    "itertools": _CONSUMED,
    "ray.": _SERVICE,
    "py4j.": _SERVICE,
    "pyspark.": _SERVICE,
    "boto3.": _CONNECTION,
    "botocore.": _CONNECTION,
    "psycopg.": _CONNECTION,
    "psycopg2.": _CONNECTION,
    "pymysql.connections": _CONNECTION,
    "pymongo.": _CONNECTION,
    "redis.": _CONNECTION,
    "kafka.": _CONNECTION,
    "confluent_kafka.": _CONNECTION,
    "grpc.": _CONNECTION,
    "zmq.": _CONNECTION,
    "aiohttp.": _CONNECTION,
    "playwright.": _RUNNING,
    "selenium.": _RUNNING,
    "pynvml": _DEVICE,
    "cupy.cuda": _DEVICE,
    "pycuda.": _DEVICE,
}

_BEGINNINGS = tuple(_BY_MODULE)


_Answer = TypeVar("_Answer")


def remembered(function: Callable[[type], _Answer]) -> Callable[[type], _Answer]:
    """Remember answers about the classes of known packages: these stay as they are, and those of a notebook go."""
    cached = lru_cache(maxsize=4096)(function)
    return lambda kind: (cached if kind.__module__.partition(".")[0] in TRUSTED else function)(kind)


@remembered
def refusal(kind: type) -> str | None:
    """Return why objects of a type are never kept, or None."""
    for each in kind.__mro__:
        name = f"{each.__module__}.{each.__qualname__}"
        if (reason := _BY_NAME.get(name)) is not None and name != _EXEMPT.get(kind.__qualname__):
            return reason
        if name.startswith(_BEGINNINGS):
            return next(why for beginning, why in _BY_MODULE.items() if name.startswith(beginning))
    return None


def refusal_by_name(name: str) -> str:
    """Return why objects of a type are never kept, by the type's full name alone; empty: nothing is known."""
    full = name if "." in name else f"builtins.{name}"
    if full in _BY_NAME:
        return _BY_NAME[full]
    return next((why for beginning, why in _BY_MODULE.items() if full.startswith(beginning)), "")


#: Files in memory: they come back with content and position.
_EXEMPT = {"BytesIO": "_io._BufferedIOBase"}

#: Values without a changeable part: nobody can tell one of them from two that are equal.
_IMMUTABLE = {
    "builtins.complex",
    "builtins.range",
    "builtins.slice",
    "builtins.ellipsis",
    "types.GenericAlias",
    "types.UnionType",
    "typing._GenericAlias",
    "typing._SpecialForm",
    "re.Pattern",
    "pathlib.PurePath",
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
    "datetime.date",
    "datetime.time",
    "datetime.timedelta",
    "datetime.tzinfo",
    "numpy.generic",
    "numpy.dtype",
    "numpy.ufunc",
    "pandas.core.dtypes.base.ExtensionDtype",
    "pandas._libs.tslibs.offsets.BaseOffset",
    "pandas._libs.tslibs.nattype._NaT",
    "pandas._libs.missing.NAType",
    "pandas.core.indexes.base.Index",
    "pyarrow.lib._Weakrefable",
    "polars.datatypes.classes.DataType",
    "polars.expr.expr.Expr",
    "torch.dtype",
    "torch.device",
    "torch.layout",
    "torch.Size",
}


@remembered
def is_immutable(kind: type) -> bool:
    """Whether it makes no difference that two groups get an object of the type each."""
    return kind is object or any(f"{each.__module__}.{each.__qualname__}" in _IMMUTABLE for each in kind.__mro__)
