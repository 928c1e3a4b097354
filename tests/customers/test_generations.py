"""Files of the lake are put in place whole, whoever else does so at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from customers import generations


def test_threads_of_one_process_put_the_same_file_in_place(tmp_path: Path) -> None:
    path, contents = tmp_path / "mark.json", [f"{n}".encode() * 100 for n in range(300)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: generations.replace(path, content), contents))
    assert path.read_bytes() in contents
    assert [one.name for one in tmp_path.iterdir()] == ["mark.json"]
