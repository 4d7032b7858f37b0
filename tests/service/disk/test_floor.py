"""What stays free on a disk, measured on real small ones."""

from pathlib import Path

import pytest

from service.disk.floor import Floor
from service.errors import NoRoom
from tests.disks import BYTES, fill, make_read_only, small_disk


def test_the_usual_floor_of_a_small_disk_is_a_share_of_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        floor = Floor({"files": disk / "not" / "there yet"}, None)
        assert floor.shortage() is None
        assert floor.shortage(more=int(0.9 * BYTES)) is None
        assert floor.shortage(more=int(0.96 * BYTES)) is not None
        (disk / "most").write_bytes(bytes(int(0.96 * BYTES)))
        with pytest.raises(NoRoom, match=r"the disk of the files has .* free; .* are kept free .*tenfold gc"):
            floor.require()
        (disk / "most").unlink()
        floor.require()


def test_nothing_is_kept_free_where_the_setting_is_0(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        Floor({"files": disk}, 0).require(more=BYTES)


def test_each_disk_counts_for_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        assert "disk of the database" in str(Floor({"files": tmp_path, "database": disk}, 1).shortage())
        assert Floor({"files": tmp_path}, 1).shortage() is None


def test_a_disk_that_has_no_names_left_for_files_is_full_too(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", files=40) as disk:
        for number in range(38):
            (disk / str(number)).touch()
        assert "more files" in str(Floor({"files": disk}, None).shortage())


def test_what_cannot_be_written_is_known_before_it_is_tried(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        floor = Floor({"files": disk / "artifacts"}, None)
        assert floor.unwritable() is None
        make_read_only(disk)
        assert floor.unwritable() == "the disk of the files is mounted read-only"
