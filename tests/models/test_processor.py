"""What is told of the processor, and of the library by which numpy multiplies on it."""

from importlib import import_module

from models.products import processor


def test_what_else_a_process_has_loaded_is_not_taken_for_the_library_that_multiplies() -> None:
    processor._openblas.cache_clear()
    before = processor._openblas()
    import_module("scipy.linalg")  # which brings an OpenBLAS of its own, as scikit-learn does for tables
    processor._openblas.cache_clear()
    assert [library.filepath for library in processor._openblas()] == [library.filepath for library in before]
