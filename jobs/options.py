"""Options that several commands share, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from jobs.terminal.logs import settings

if TYPE_CHECKING:
    from pipeline.runs.run_config import RunConfig

EXIT_FAILED = 1
EXIT_OVER_BUDGET = 3

_MOST_ROWS = 2**31 - 1
"""More than any manifest has, and within what SQL counts with."""

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name or a YAML file.")
]
ManifestUri = Annotated[
    str, typer.Option("--manifest", help="Parquet, CSV or JSON Lines: a file, folder or pattern.")
]
OutputUri = Annotated[
    str, typer.Option("--output", help="Folder of the dataset; each run gets its own below it.")
]
Where = Annotated[
    str | None,
    typer.Option("--where", help="SQL condition over manifest columns, such as \"brand = 'A'\"."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, max=_MOST_ROWS, help="Largest number of rows to take."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a recipe field: section.field=value; may be given repeatedly."
    ),
]
Renamed = Annotated[
    list[str] | None,
    typer.Option(
        "--map", help="Say which column is which: image_uri='Image Src'; may be given repeatedly."
    ),
]
CsvDelimiter = Annotated[
    str | None,
    typer.Option(
        "--csv-delimiter",
        help="Character between the values of CSV files, or 'tab'. Default: found from the file.",
    ),
]
CsvEncoding = Annotated[
    str | None,
    typer.Option(
        "--csv-encoding",
        help="Encoding of CSV files, such as cp1252. Default: UTF-8, or found from the file.",
    ),
]
Untrusted = Annotated[
    bool | None,
    typer.Option(
        "--untrusted/--trusted",
        help="Hold rows to the strictest limits, or to the recipe's. Default: the strictest for a "
        "manifest of another bucket than the dataset's.",
    ),
]
RunId = Annotated[
    str | None,
    typer.Option("--run-id", help="Name of the run; the same name continues it."),
]
SingleDriver = Annotated[
    bool,
    typer.Option(
        "--assume-single-driver",
        help="Work on a store without conditional writes: you see to it that no other driver "
        "works on the run.",
    ),
]
DatasetUri = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="Folder of a dataset, with its runs below it.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run, .../run_id=X.")]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        help="Address of a running Ray cluster. Default: a cluster is started on this machine.",
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what Ray and libraries say, too.")
]


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The options of a command that takes a recipe over a manifest, into a dataset."""

    recipe: RecipeName
    manifest: ManifestUri
    output: OutputUri
    where: Where = None
    limit: Limit = None
    renamed: Renamed = None
    csv_delimiter: CsvDelimiter = None
    csv_encoding: CsvEncoding = None
    settings: Settings = None
    untrusted: Untrusted = None
    assume_single_driver: SingleDriver = False

    def config(self) -> RunConfig:
        """The request in the library's terms.

        Raises:
            ValueError: the recipe or one of its settings is none.
        """
        from jobs.recipes import load_recipe
        from pipeline.runs.run_config import RunConfig
        from pipeline.tables import parse_reading

        rest = asdict(self)
        recipe = load_recipe(rest.pop("recipe"), overrides=rest.pop("settings") or [])
        reading = parse_reading(
            rest.pop("renamed") or [],
            delimiter=rest.pop("csv_delimiter"),
            encoding=rest.pop("csv_encoding"),
        )
        return RunConfig(recipe=recipe, reading=reading, **rest)


@dataclass(frozen=True, kw_only=True)
class RunOptions(RecipeOptions):
    """The options of a recipe, with the name of the run."""

    run_id: RunId = None


T = TypeVar("T", bound=RecipeOptions)


def with_options(kind: type[T]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of `kind` as options; it gets them as its first argument.

    typer knows no groups of options: it goes by the signature, so that is what is put together.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own_hints = get_type_hints(command, include_extras=True)
        own = list(inspect.signature(command).parameters.values())[1:]
        hints = get_type_hints(kind, include_extras=True)

        def called(**given: Any) -> None:
            options = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            command(options, **given)

        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=hints[field.name],
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
            )
            for field in fields(kind)
        ]
        rest = [
            option.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints[option.name])
            for option in own
        ]
        called.__signature__ = inspect.Signature([*shared, *rest])  # type: ignore[attr-defined]
        called.__annotations__ = {option.name: option.annotation for option in [*shared, *rest]}
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        return called

    return decorate


def with_verbose(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that runs on Ray the option --verbose, which is also one of `backlot`."""

    def called(verbose: bool, **given: Any) -> None:  # noqa: FBT001 - typer names all arguments
        if verbose:
            settings.verbose = True
        command(**given)

    hints = get_type_hints(command, include_extras=True)
    own = [
        option.replace(annotation=hints[option.name])
        for option in inspect.signature(command).parameters.values()
    ]
    also = inspect.Parameter(
        "verbose", inspect.Parameter.KEYWORD_ONLY, annotation=Verbose, default=False
    )
    called.__signature__ = inspect.Signature([*own, also])  # type: ignore[attr-defined]
    called.__annotations__ = {option.name: option.annotation for option in [*own, also]}
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called
