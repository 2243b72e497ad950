"""Many tasks in several processes: what one process finds, and no process left behind.

Functions are of the standard library, so that a worker process need not import this file.
"""

from __future__ import annotations

import math
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.lab import children
from saddleproof.lab.pool import Pool

NEGATIVES = [((n,), -n) for n in range(20)]


def alive(pid: int) -> bool:
    """Whether there is such a process; one that ended and was not waited for counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int]) -> bool:
    """Whether all processes are gone, after a while at most."""
    for _ in range(100):
        if not any(map(alive, pids)):
            return True
        time.sleep(0.1)
    return False


def pids(pool: Pool) -> list[int]:
    return [child.process.pid or 0 for child in pool._children]


def test_one_process_takes_the_tasks_in_order_and_is_this_one() -> None:
    with Pool(1) as pool:
        assert list(pool.completed(operator.neg, [task for task, _ in NEGATIVES])) == NEGATIVES
        assert [pid for _, pid in pool.completed(os.getpid, [(), ()])] == [os.getpid()] * 2


def test_several_processes_find_what_one_finds_and_serve_later_tasks_too() -> None:
    with Pool(2) as pool:
        for _ in range(2):
            found = pool.completed(operator.neg, [task for task, _ in NEGATIVES])
            assert sorted(found) == NEGATIVES
        before = pids(pool)
        assert {pid for _, pid in pool.completed(os.getpid, [()] * 9)} <= set(before)
        assert len(before) == 2
        assert os.getpid() not in before
    assert gone(before)


def test_one_task_alone_is_computed_where_many_are() -> None:
    """In another process, with one thread: what is left of many tasks has the same bytes."""
    with Pool(2) as pool:
        assert [pid for _, pid in pool.completed(os.getpid, [()])] == pids(pool) != [os.getpid()]
        assert list(pool.completed(os.getpid, [])) == []


def test_a_task_whose_process_died_gives_what_the_caller_says_and_costs_no_other() -> None:
    tasks = [("import os; os._exit(3)",), *[("",)] * 5, ("import os; os._exit(4)",)]
    with Pool(2) as pool:
        found = list(pool.completed(exec, tasks, label=str, lost=lambda task, error: str(error)))
        assert len(pids(pool)) == 2
    assert sorted(task for task, _ in found) == sorted(tasks)
    lost = {task[0]: said for task, said in found if said is not None}
    assert ["exit code 3" in lost[tasks[0][0]], "exit code 4" in lost[tasks[-1][0]]] == [True, True]
    assert len(lost) == 2


def test_results_come_as_they_finish() -> None:
    with Pool(2) as pool:
        slow_first = pool.completed(time.sleep, [(1.0,), (0.0,), (0.1,)])
        assert [seconds for (seconds,), _ in slow_first] == [0.0, 0.1, 1.0]


@pytest.mark.parametrize(
    ("end", "how"), [("signal.raise_signal(9)", "by SIGKILL"), ("os._exit(3)", "exit code 3")]
)
def test_the_error_about_a_process_that_died_names_its_task(end: str, how: str) -> None:
    tasks = [("",), ("",), (f"import os, signal; {end}",)]
    with Pool(2) as pool:
        running = pool.completed(exec, tasks, label=lambda task: f"task {tasks.index(task)}")
        with pytest.raises(SaddleproofError, match=rf"the process of task 2 ended .*\({how}\)"):
            list(running)
        assert pids(pool) == []
        assert sorted(pool.completed(operator.neg, [(1,), (2,)])) == [((1,), -1), ((2,), -2)]


def test_what_a_task_raises_is_raised_here_with_the_traceback_as_a_note() -> None:
    with Pool(2) as pool, pytest.raises(ValueError, match="math domain") as caught:
        list(pool.completed(math.sqrt, [(1,), (-1,)]))
    assert "Traceback" in caught.value.__notes__[0]


def test_an_error_that_cannot_travel_arrives_as_what_it_says() -> None:
    text = "from saddleproof.errors import MissingExtraError as E; raise E('torch', 'torch')"
    with Pool(2) as pool, pytest.raises(SaddleproofError, match=r"^MissingExtraError: torch is"):
        list(pool.completed(exec, [("",), (text,)]))


@pytest.mark.parametrize("how", ["closed", "raised", "with the pool"])
def test_an_iterator_that_ends_half_way_leaves_no_process(how: str) -> None:
    pool = Pool(2)
    running = pool.completed(time.sleep, [(0,), (30,), (30,)])
    next(running)
    started = pids(pool)
    assert all(map(alive, started))
    if how == "closed":
        running.close()
    elif how == "raised":
        with pytest.raises(KeyError):
            running.throw(KeyError())
    else:
        pool.close()
    assert not any(map(alive, started))


def test_a_process_that_is_deaf_to_sigterm_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(children, "_PATIENCE", 0.1)
    deaf, wait = (
        f"import signal, time, pathlib; here = pathlib.Path({str(tmp_path / 'deaf')!r})\n" + text
        for text in (
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); here.touch(); time.sleep(30)",
            "while not here.exists(): time.sleep(0.01)",
        )
    )
    pool = Pool(2)
    running = pool.completed(exec, [(deaf,), (wait,)])
    next(running)
    started = pids(pool)
    running.close()
    assert not any(map(alive, started))


def test_a_pool_has_one_iterator_at_a_time() -> None:
    with Pool(2) as pool:
        first = pool.completed(time.sleep, [(0,), (0,), (0,)])
        next(first)
        with pytest.raises(SaddleproofError, match="has tasks already"):
            next(pool.completed(time.sleep, [(0,), (0,)]))
        assert len(list(first)) == 2


def test_a_process_has_one_thread_and_this_environment_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with Pool(2) as pool:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            assert [found for _, found in pool.completed(os.getenv, [(name,)] * 2)] == ["1"] * 2
    assert dict(os.environ) == before


def test_a_process_does_not_hear_ctrl_c() -> None:
    with Pool(2) as pool:
        running = pool.completed(signal.raise_signal, [(signal.SIGINT,)] * 2)
        assert [result for _, result in running] == [None, None]


def test_ctrl_c_while_processes_start_is_held_back_and_heard_right_after() -> None:
    reached, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)

    def start() -> None:
        with children._deaf():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the block")

    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached


def test_the_first_start_of_all_does_not_let_ctrl_c_through() -> None:
    """multiprocessing's own helper, where it starts inside the block, opens the mask."""
    text = """
import signal
from multiprocessing import resource_tracker
from saddleproof.lab import children
with children._deaf():
    resource_tracker.ensure_running()
    print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


SCRIPT = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from saddleproof.lab.pool import Pool
pool = Pool(2)
running = pool.completed(time.sleep, [(0,), (0,), ({last},), ({last},)])
next(running)
print(*[child.process.pid for child in pool._children], flush=True)
"""


def script(text: str, last: float) -> tuple[Any, list[int]]:
    """A Python process with a pool, and the pool's processes."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(last=last) + text],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, list(map(int, process.stdout.readline().split()))


def test_ctrl_c_reaches_the_collecting_process_alone_and_ends_all() -> None:
    text = "try: list(running)\nexcept KeyboardInterrupt: print('interrupted', flush=True)"
    process, started = script(text, last=30)
    time.sleep(0.3)  # it may be anywhere in its loop
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert output == "interrupted\n"
    assert errors == ""
    assert gone(started)


def test_an_iterator_that_nobody_closed_does_not_keep_python_from_ending() -> None:
    process, started = script("", last=0)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert gone(started)


def test_processes_end_by_themselves_when_the_collecting_one_is_killed() -> None:
    process, started = script("time.sleep(30)", last=0)
    process.kill()
    _, errors = process.communicate(timeout=20)
    assert errors == ""
    assert gone(started)


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "2", True])
def test_a_number_of_jobs_that_is_none_is_refused(jobs: Any) -> None:
    with pytest.raises(OptionError, match="jobs must be a whole number of at least 1"):
        Pool(jobs)
