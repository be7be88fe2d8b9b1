"""The log: whole lines, cut back on resuming, and never lengthened by guesswork."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from everysum.errors import ModelFolderError, OutputError
from everysum.training.log import LOG, Log, read_log


def test_what_is_written_is_read_line_by_line(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(step=1, loss=2.5)
    log.write(step=1, sample="naïve\n\u2028 \ufffd\r\x85\t“x”")
    log.close()
    assert list(read_log(tmp_path)) == [
        {"step": 1, "loss": 2.5},
        {"step": 1, "sample": "naïve\n\u2028 \ufffd\r\x85\t“x”"},
    ]


def test_a_log_is_cut_back_to_the_checkpoint_and_goes_on_from_there(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(step=1)
    length = log.length()
    log.write(step=2)
    log.close()
    log = Log(tmp_path, length)
    log.write(step=3)
    assert log.length() == (tmp_path / LOG).stat().st_size
    log.close()
    assert list(read_log(tmp_path)) == [{"step": 1}, {"step": 3}]


def test_a_run_that_begins_empties_the_log(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 9}\n')
    Log(tmp_path).close()
    assert list(read_log(tmp_path)) == []


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 1}\n{"ste')
    assert list(read_log(tmp_path)) == [{"step": 1}]


def test_a_log_shorter_than_at_the_checkpoint_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 1}\n')
    with pytest.raises(ModelFolderError) as refusal:
        Log(tmp_path, 50)
    assert str(refusal.value) == (
        f"{tmp_path / LOG} is shorter than it was at the checkpoint\n"
        "  wanted: at least 50 bytes\n"
        "  came: 12 bytes\n"
        "  do: put the whole log back, or remove the folder's checkpoints to begin the run again"
    )
    assert (tmp_path / LOG).read_text() == '{"step": 1}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason=f"{sys.platform} has no /dev/full")
def test_a_full_disk_is_one_message_when_writing_and_when_closing(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.close()
    log.file = Path("/dev/full").open("ab")  # noqa: SIM115 - closing it is what is tested
    with pytest.raises(OutputError, match="the disk is full"):
        log.write(step=1)
    with pytest.raises(OutputError, match="the disk is full"):
        log.close()
