import os
from functools import partial

from benchmarks.matting import Way


def leave_a_note(threads, *, folder):
    (folder / str(os.getpid())).write_text(f"{threads} threads")
    return lambda data: data


def test_a_way_is_built_in_each_of_its_processes_before_anything_is_timed(tmp_path):
    build = partial(leave_a_note, folder=tmp_path)
    with Way(name="notes", build=build, processes=2, threads=3).opened():
        notes = {int(note.name): note.read_text() for note in tmp_path.iterdir()}
    assert list(notes.values()) == ["3 threads", "3 threads"]
    assert os.getpid() not in notes
