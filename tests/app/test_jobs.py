"""Jobs: followed, cancelled, killed, interrupted; and the service answers meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from app.database import open_database
from app.factory import create_app
from app.jobs import LEASE_S, MAX_LOSSES, JobConflict, Jobs, Progress, UnknownJob
from app.settings import Settings
from tests.app.servers import Service, running, wait_until, wait_until_ready
from tests.app.test_metrics import values
from tests.app.test_starting import served
from tests.app.uploading import documents_of, ended, events_of, job_of, many, upload, workers

FINE = {"fine.md": "# Fine\n\nThis one goes in.\n"}
MANY = many(200)


@pytest.fixture(scope="module")
def busy_settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    changes = {
        "data_dir": tmp_path_factory.mktemp("busy"),
        "upload_max_files": 1000,
        "ingest_threads": 1,
        "ingest_wait_s": 8,
    }
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def busy(busy_settings: Settings) -> Iterator[Service]:
    """A service that takes large uploads."""
    app = create_app(busy_settings)
    with running(app) as url:
        wait_until_ready(url)
        yield Service(url, app)


@contextmanager
def begun(url: str, collection: str, settings: Settings) -> Iterator[str]:
    """The id of a large job that has indexed something, and cannot go on before the end of the block."""
    job_id: str = upload(url, collection, MANY).json()["job_id"]
    wait_until(lambda: documents_of(url, collection))
    with held(settings, collection):
        assert job_of(url, job_id)["status"] == "running"
        yield job_id


def held(settings: Settings, collection: str) -> FileLock:
    """Nobody else writes to the collection meanwhile."""
    return FileLock(settings.data_dir / "collections" / collection / "write.lock", poll_interval=0.001)


def wait_for_end(url: str, job_id: str) -> dict[str, object]:
    wait_until(lambda: job_of(url, job_id)["status"] in ("done", "failed"))
    return job_of(url, job_id)


def assert_whole(service: Service, collection: str) -> None:
    """Each document is there once, with its original."""
    assert sorted(one["source"] for one in documents_of(service.url, collection)) == sorted(MANY)
    assert service.services.collections.verify(collection) == []
    originals = service.services.settings.data_dir / "originals"
    assert len(list((originals / collection).iterdir())) == len(MANY)
    wait_until_put_away(originals / ".incoming")


def wait_until_put_away(incoming: Path) -> None:
    """A job has its last status before its files have their places, so that nobody takes over what is done."""
    wait_until(lambda: not incoming.exists() or not list(incoming.iterdir()))


# while it runs


def test_a_job_is_followed_to_its_end_and_the_service_answers_meanwhile(busy: Service, busy_settings: Settings) -> None:
    with ThreadPoolExecutor(1) as pool:
        with begun(busy.url, "followed", busy_settings) as job_id:
            following = pool.submit(lambda: list(events_of(busy.url, job_id)))
            (worker,) = workers()
            assert worker.nice() > 0
            assert httpx.get(f"{busy.url}/health/live", timeout=5).status_code == 200
            asked = {"prompt": "Say hello.", "max_tokens": 4}
            assert httpx.post(f"{busy.url}/generate", json=asked, timeout=60).status_code == 200
            refused = httpx.delete(f"{busy.url}/collections/followed")
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
            late = events_of(busy.url, job_id)
            assert next(late)[1]["status"] == "running"
        events = following.result(timeout=120)
    kinds = [kind for kind, _ in events]
    assert kinds == ["progress"] * (len(kinds) - 1) + ["end"]
    assert events[0][1]["status"] == "running"
    assert 0 < events[0][1]["done"] <= events[0][1]["total"] == len(MANY)
    assert len(events[-1][1]["report"]["added"]) + len(events[-1][1]["report"]["unchanged"]) == len(MANY)
    assert list(late)[-1][0] == "end"
    assert list(events_of(busy.url, job_id)) == [("end", job_of(busy.url, job_id))]
    assert_whole(busy, "followed")


def test_two_uploads_at_once_run_one_after_the_other(busy: Service) -> None:
    with ThreadPoolExecutor(2) as pool:
        names = ("a", "b")
        taken = list(pool.map(lambda name: upload(busy.url, "together", {f"{name}.md": f"# {name}\n\nText.\n"}), names))
    jobs = [ended(busy.url, answer) for answer in taken]
    assert [job["report"]["added"] for job in jobs] == [["a.md"], ["b.md"]]
    first, second = sorted(jobs, key=lambda job: str(job["started_at"]))
    assert first["finished_at"] <= second["started_at"]
    assert [one["source"] for one in documents_of(busy.url, "together")] == ["a.md", "b.md"]


def test_the_latest_jobs_are_listed_and_counted(busy: Service) -> None:
    older, newer = (ended(busy.url, upload(busy.url, "listed", {f"{n}.md": f"# {n}\n\nText.\n"})) for n in (1, 2))
    listed = httpx.get(f"{busy.url}/jobs", params={"collection": "listed"}).json()["jobs"]
    assert listed == [newer, older]
    assert [job["job_id"] for job in httpx.get(f"{busy.url}/jobs?limit=1").json()["jobs"]] == [newer["job_id"]]
    assert httpx.get(f"{busy.url}/jobs?limit=0").status_code == 400
    seen = values(httpx.get(f"{busy.url}/metrics").text)
    assert (seen["larkwise_jobs{done}"] >= 2, seen["larkwise_jobs{running}"]) == (True, 0)


def test_no_worker_stays_when_there_is_nothing_to_do(busy: Service) -> None:
    ended(busy.url, upload(busy.url, "listed", FINE))
    wait_until(lambda: not workers())


@pytest.mark.parametrize("path", ["/jobs/nothing", "/jobs/nothing/events", f"/jobs/{'x' * 500}"])
def test_a_job_that_is_not_there_is_404(busy: Service, path: str) -> None:
    answer = httpx.get(f"{busy.url}{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_job")
    assert httpx.delete(f"{busy.url}/jobs/nothing").status_code == 404


# cancelled


def test_a_job_that_waits_can_be_cancelled_and_others_not(busy: Service, busy_settings: Settings) -> None:
    with begun(busy.url, "cancelling", busy_settings) as first:
        waiting = upload(busy.url, "cancelling", FINE).json()["job_id"]
        events = events_of(busy.url, waiting)
        assert next(events)[1]["status"] == "queued"
        refused = httpx.delete(f"{busy.url}/jobs/{first}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert httpx.delete(f"{busy.url}/jobs/{waiting}").json() == {"deleted": waiting}
        assert httpx.get(f"{busy.url}/jobs/{waiting}").status_code == 404
        assert list(events)[-1][0] == "error"
    assert wait_for_end(busy.url, first)["status"] == "done"
    assert_whole(busy, "cancelling")
    assert "has ended" in httpx.delete(f"{busy.url}/jobs/{first}").json()["error"]["message"]


def test_deleting_a_collection_cancels_what_waits_for_it(busy: Service, busy_settings: Settings) -> None:
    httpx.post(f"{busy.url}/collections", json={"name": "doomed"})
    with begun(busy.url, "running-on", busy_settings) as first:
        waiting = upload(busy.url, "doomed", FINE).json()["job_id"]
        assert httpx.delete(f"{busy.url}/collections/doomed").status_code == 200
        assert httpx.get(f"{busy.url}/jobs/{waiting}").status_code == 404
    assert wait_for_end(busy.url, first)["status"] == "done"
    assert httpx.get(f"{busy.url}/collections/doomed").status_code == 404


# killed


def test_a_job_whose_worker_is_killed_goes_on_where_it_was(busy: Service, busy_settings: Settings) -> None:
    with begun(busy.url, "killed", busy_settings) as job_id:
        (worker,) = workers()
        worker.kill()
    job = wait_for_end(busy.url, job_id)
    assert job["status"] == "done"
    report = job["report"]
    assert isinstance(report, dict)
    assert report["unchanged"]
    assert len(report["added"]) + len(report["unchanged"]) == len(MANY)
    assert_whole(busy, "killed")


def test_a_job_that_kills_its_worker_twice_fails_and_what_is_indexed_keeps_its_original(
    busy: Service, busy_settings: Settings
) -> None:
    with begun(busy.url, "fatal", busy_settings) as job_id:
        (first,) = workers()
        first.kill()
        wait_until(lambda: [worker for worker in workers() if worker != first])
        wait_until(lambda: job_of(busy.url, job_id)["progress"]["file"])
        (second,) = workers()
        second.kill()
    job = wait_for_end(busy.url, job_id)
    assert job["status"] == "failed"
    assert "killed by signal 9" in str(job["error"])
    kept = documents_of(busy.url, "fatal")
    originals = busy_settings.data_dir / "originals"
    assert 0 < len(kept) < len(MANY)
    wait_until(lambda: not (originals / ".incoming" / job_id).exists())
    assert len(list((originals / "fatal").iterdir())) == len(kept)
    for document in kept[:3]:
        path = f"{busy.url}/collections/fatal/documents/{document['id']}/original"
        assert httpx.get(path).text == MANY[document["source"]]
    assert ended(busy.url, upload(busy.url, "fatal", MANY))["status"] == "done"
    assert_whole(busy, "fatal")


# another process writes


def test_a_job_waits_for_whoever_else_is_writing(busy: Service, busy_settings: Settings) -> None:
    httpx.post(f"{busy.url}/collections", json={"name": "shared"})
    with held(busy_settings, "shared"):
        job_id = upload(busy.url, "shared", FINE).json()["job_id"]
        wait_until(lambda: "another process is writing" in job_of(busy.url, job_id)["progress"]["note"])
    assert wait_for_end(busy.url, job_id)["status"] == "done"
    assert [one["source"] for one in documents_of(busy.url, "shared")] == ["fine.md"]


def test_and_says_so_when_that_takes_too_long(busy: Service, busy_settings: Settings) -> None:
    httpx.post(f"{busy.url}/collections", json={"name": "held"})
    with held(busy_settings, "held"):
        job = ended(busy.url, upload(busy.url, "held", FINE))
    assert (job["status"], "another process is writing" in job["error"]) == ("failed", True)
    assert not list((busy_settings.data_dir / "originals" / "held").iterdir())
    assert ended(busy.url, upload(busy.url, "held", FINE))["status"] == "done"


# restarts


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_go_on_when_the_service_is_back(
    settings: Settings, tmp_path: Path, unused_tcp_port: int, how: signal.Signals
) -> None:
    mine = settings.model_copy(update={"data_dir": tmp_path})
    more = {"LARKWISE_UPLOAD_MAX_FILES": "1000", "LARKWISE_INGEST_THREADS": "1"}
    command = ("larkwise", "serve", "--port", str(unused_tcp_port))
    with served(mine, unused_tcp_port, *command, **more) as before:
        wait_until_ready(before.url)
        with begun(before.url, "restarted", mine) as first:
            second = upload(before.url, "restarted", FINE).json()["job_id"]
            ingesting = workers(before.process.pid)
            assert len(ingesting) == 1
            following = events_of(before.url, first)
            next(following)
            before.process.send_signal(how)
            if how == signal.SIGTERM:
                assert list(following)[-1][0] == "error"
                assert "Traceback" not in before.wait()[1]
            else:
                before.process.wait()
            wait_until(lambda: not any(worker.is_running() for worker in ingesting))
    with sqlite3.connect(tmp_path / "larkwise.sqlite3") as database:
        rows = dict(database.execute("SELECT id, status FROM jobs").fetchall())
    assert rows == {first: "interrupted" if how == signal.SIGTERM else "running", second: "queued"}
    with served(mine, unused_tcp_port, *command, **more) as after:
        wait_until_ready(after.url)
        job = wait_for_end(after.url, first)
        assert job["status"] == "done"
        report = job["report"]
        assert isinstance(report, dict)
        assert len(report["added"]) + len(report["unchanged"]) == len(MANY)
        assert wait_for_end(after.url, second)["status"] == "done"
        assert sorted(one["source"] for one in documents_of(after.url, "restarted")) == sorted([*MANY, *FINE])


def test_a_job_that_ends_the_service_again_and_again_fails(busy: Service, busy_settings: Settings) -> None:
    with begun(busy.url, "losing", busy_settings):
        waiting = upload(busy.url, "losing", FINE).json()["job_id"]
        with sqlite3.connect(busy_settings.data_dir / "larkwise.sqlite3", timeout=10) as database:
            database.execute("UPDATE jobs SET losses = ? WHERE id = ?", (MAX_LOSSES, waiting))
    job = wait_for_end(busy.url, waiting)
    assert (job["status"], "has died 5 times" in str(job["error"])) == ("failed", True)


def test_what_a_crash_has_left_of_an_upload_is_removed_a_day_later(settings: Settings, tmp_path: Path) -> None:
    mine = settings.model_copy(update={"data_dir": tmp_path})
    left, fresh = (tmp_path / "originals" / ".incoming" / name for name in ("left", "fresh"))
    for folder in (left, fresh):
        folder.mkdir(parents=True)
    os.utime(left, (time.time() - 2 * 86400,) * 2)
    with running(create_app(mine)) as url:
        wait_until_ready(url)
        wait_until(lambda: not left.exists())
    assert fresh.exists()


# in the database


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}"


async def test_of_two_services_one_gets_a_job(database_url: str) -> None:
    databases = [await open_database(database_url) for _ in range(2)]
    one, other = (Jobs(database) for database in databases)
    names = [f"job{number}" for number in range(8)]
    for name in names:
        await one.add(name, collection="c", caller="anna", files=[], labels={})
    claims = [jobs.claim(f"owner{n}", names) for n, jobs in enumerate((one, other) * 6)]
    claimed = [job.id for job in await asyncio.gather(*claims) if job]
    assert len(claimed) == len(set(claimed))
    while job := await one.claim("last", names):
        claimed.append(job.id)
    assert sorted(claimed) == names
    for database in databases:
        await database.close()


async def test_the_job_of_a_dead_service_is_taken_over_when_its_lease_is_over(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_database(database_url)
    jobs = Jobs(database)
    await jobs.add("job", collection="c", caller="anna", files=[{"name": "a.md", "size": 1}], labels={})
    assert await jobs.claim("dead", ["another"]) is None  # its files are on another machine
    assert await jobs.claim("dead", ["job"])
    await jobs.reclaim()
    assert not await jobs.is_any_waiting()
    assert await jobs.renew("job", "dead", Progress(0, 1, "a.md"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LEASE_S + 1)
    assert await jobs.is_any_waiting()
    await jobs.reclaim()
    assert (await jobs.get("job")).status == "interrupted"
    taken = await jobs.claim("heir", ["job"])
    assert (taken and taken.losses) == 1
    assert not await jobs.renew("job", "dead", Progress(1, 1))
    assert not await jobs.finish("job", "dead", {})
    assert await jobs.finish("job", "heir", {})
    with pytest.raises(JobConflict):
        await jobs.cancel("job")
    with pytest.raises(UnknownJob):
        await jobs.cancel("another")
    await database.close()


def test_an_upload_that_breaks_off_leaves_nothing(busy: Service, busy_settings: Settings) -> None:
    incoming = busy_settings.data_dir / "originals" / ".incoming"
    stop = threading.Event()

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\n'
        while not stop.is_set():
            yield b"x" * 100_000
            time.sleep(0.02)
        raise ConnectionError("the client has gone")

    def send() -> None:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        with pytest.raises((ConnectionError, httpx.TransportError)):
            httpx.post(f"{busy.url}/collections/broken/documents", content=endless(), headers=kind, timeout=60)

    sending = threading.Thread(target=send)
    sending.start()
    wait_until(lambda: any(incoming.glob("*/*.md")))
    stop.set()
    sending.join()
    wait_until(lambda: not list(incoming.iterdir()))
    assert httpx.get(f"{busy.url}/collections/broken").status_code == 404
