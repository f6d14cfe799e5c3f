"""The sources of photos, by the name that the settings give. Free of torch.

A source is opened (`open_source`), checked (`check_source`), and then read photo by photo.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from training.config import DataSettings
from training.errors import DataError
from training.photos import Photo, Problem, Source
from training.sources.check import check_source, count_checked, drop_problems
from training.sources.clutter import draw_clutter
from training.sources.csv_source import open_csv
from training.sources.file_sources import open_folder
from training.sources.grocery import open_grocery
from training.sources.grocery_download import fetch_grocery
from training.sources.held_out import hold_out
from training.sources.more import add_manifests
from training.sources.source_index import SourceIndex
from training.sources.synthetic import open_synthetic

__all__ = [
    "Photo",
    "Problem",
    "Source",
    "check_source",
    "count_checked",
    "drop_problems",
    "open_source",
]


def open_source(settings: DataSettings, index: SourceIndex | None = None) -> Source:
    """Opens the source that the settings name, with all that they add to it or take away.

    No photo is read yet.

    Args:
        settings: table [data] of the settings.
        index: where the list of photos is kept, and taken from where it is there already.

    Raises:
        DataError: nothing stands at the path, the layout is not as it must be, or the public
            archive could not be fetched; or the source lacks a class to hold out.
        StorageError: the public archive or the list of photos could not be written.
    """
    whole = index.open(partial(_open_all, settings)) if index else _open_all(settings)
    source = hold_out(whole, settings.held_out)
    clutter = draw_clutter(settings.seed, settings.clutter)
    return replace(source, unknown=(*source.unknown, *clutter))


def _open_all(settings: DataSettings) -> Source:
    return add_manifests(_open_whole(settings), [Path(p).expanduser() for p in settings.more])


def _open_whole(settings: DataSettings) -> Source:
    path = Path(settings.path).expanduser()
    match settings.source:
        case "synthetic":
            return open_synthetic(
                settings.seed, settings.train_per_class, settings.validation_per_class
            )
        case "folder":
            return open_folder(path)
        case "csv":
            return open_csv(path)
        case "grocery":
            return open_grocery(path if settings.path else fetch_grocery())
    raise DataError(f"no source is called {settings.source!r}")
