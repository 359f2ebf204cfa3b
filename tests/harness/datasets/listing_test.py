"""Each image of a folder once, whatever else is in it."""

import os
import socket

from harness.datasets.listing import list_images
from tests.harness.datasets.checked import message


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def names(listing, folder):
    return [[os.path.relpath(path, folder) for path in paths] for paths in listing.paths]


def test_endings_in_any_case(tmp_path):
    for ending in ("png", "JPG", "Jpeg", "bmp", "GIF", "webp", "tif", "TIFF"):
        write(tmp_path / f"1.{ending}")
    for name in ("a.txt", "b.TXT", "c", ".hidden.png", ".git/1.png", "d.json", "e." + "x" * 20):
        write(tmp_path / name)
    listing = list_images([tmp_path])
    assert len(listing.paths[0]) == 8 and listing.paths[0] == sorted(listing.paths[0])
    assert listing.line("here") == (
        "here: 8 images; passed over: 1 *.json, 2 *.txt, 2 hidden, 2 of no ending that is known."
    )
    for ending in "abcdefg":
        write(tmp_path / f"1.{ending}")
    assert "5 of other endings" in list_images([tmp_path]).line("here")


def test_what_is_no_file_is_not_opened(tmp_path):
    write(tmp_path / "folder.png/1.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fspath(tmp_path / "socket.png"))
    os.symlink(tmp_path / "pipe.png", tmp_path / "link.png")
    os.symlink(tmp_path / "nowhere", tmp_path / "nothing.png")
    os.symlink("round.png", tmp_path / "round.png")
    listing = list_images([tmp_path])
    assert names(listing, tmp_path) == [["folder.png/1.png"]]
    assert listing.passed_over == {"that are no files": 3, "links to nothing": 2}


def test_links_are_followed_once(tmp_path):
    for name in ("data/1.png", "data/in/2.png", "other/3.png", "other/4.png"):
        write(tmp_path / name)
    data = tmp_path / "data"
    os.symlink(tmp_path / "other", data / "a")
    os.symlink(tmp_path / "other", data / "b")
    os.symlink(data, data / "in/up")
    os.symlink(data / "in", tmp_path / "other/back")
    os.symlink(tmp_path / "other/3.png", data / "5.png")
    os.symlink(data / "1.png", data / "in/6.png")
    listing = list_images([data])
    assert names(listing, data) == [["1.png", "5.png", "a/4.png", "in/2.png"]]
    assert listing.passed_over == {"links to what is listed": 5}


def test_a_link_to_another_class_takes_nothing_from_it(tmp_path):
    for name in ("a/1.png", "b/2.png", "c/3.png"):
        write(tmp_path / name)
    os.symlink(tmp_path, tmp_path / "a/all")
    os.symlink(tmp_path / "b/2.png", tmp_path / "a/2.png")
    listing = list_images(tmp_path / name for name in "abc")
    assert names(listing, tmp_path) == [["a/1.png"], ["b/2.png"], ["c/3.png"]]


def test_a_folder_that_is_gone(tmp_path):
    text = message(list_images, [tmp_path / "no"])
    assert text == f"{tmp_path}/no cannot be listed: No such file or directory"
