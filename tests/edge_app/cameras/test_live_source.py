from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from softcore_edge_app.cameras import devices, live_reader, opencv_camera
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.cameras.live_source import LiveSource
from softcore_edge_app.cameras.opencv_camera import OpenCvCamera
from softcore_runtime import SourceError

PERIOD = 0.02  # seconds between two frames of the stream
BITS = 16
SILENT = re.compile(r"no new frame for \d+\.\d s \(the \w+ is being reopened\)")


def draw(number: int) -> NDArray[np.uint8]:
    """An image that says its number: a white square for each bit that is set, on grey."""
    image = np.full((32, 32 * BITS, 3), 100, np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            image[:, 32 * bit : 32 * (bit + 1)] = 255
    return image


def read_number(frame: Frame) -> int:
    assert frame.image is not None, frame.reason
    return sum(1 << bit for bit in range(BITS) if frame.image[16, 32 * bit + 16, 0] > 180)


class Sender:
    """A camera that serves MJPEG over HTTP, and all that a camera may do wrong.

    mode: "live"; "mute" says nothing to whoever connects; "block" stops in the middle of a frame;
    "repeat" sends the same frame again and again; "black"; "large" sends frames of twice the size; "end" ends
    after five frames; "stall" keeps its frames, and sends them all at once later.

    Attributes:
        delay: seconds from the moment that a frame shows until it is sent.
        shown: when that moment was, by the frame's number.
    """

    def __init__(self) -> None:
        self.mode = "live"
        self.number = 0
        self.sent: dict[int, float] = {}
        self.stalled: set[int] = set()
        self.delay = 0.0
        self.shown: dict[int, float] = {}
        self.openings = 0
        self.port = 0
        self.sockets: list[socket.socket] = []
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        sender = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sender.openings += 1
                sender.sockets.append(self.connection)
                with suppress(OSError):
                    sender.serve(self)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.stopping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.01))
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for connection in self.sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        stopping = self.stopping
        if self.mode == "mute":
            stopping.wait()
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        count = 0
        late: list[bytes] = []
        while not stopping.wait(PERIOD) and not (self.mode == "end" and count == 5):
            count += 1
            if self.mode != "repeat":
                self.number += 1
            number = self.number
            image = draw(number) if self.mode != "black" else np.zeros((32, 64, 3), np.uint8)
            if self.mode == "large":
                image = image.repeat(2, 0).repeat(2, 1)
            jpeg = cv2.imencode(".jpg", image)[1].tobytes()
            if self.mode == "stall":
                self.stalled.add(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            if self.mode == "block":
                handler.wfile.write(head.encode() + jpeg[: len(jpeg) // 2])
                stopping.wait()
                return
            late.append(head.encode() + jpeg + b"\r\n")
            if self.mode == "stall":
                continue
            self.sent[number] = time.monotonic()
            self.shown.setdefault(number, self.sent[number] - self.delay)
            handler.wfile.write(b"".join(late))
            late.clear()


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender()
    yield sender
    if not sender.stopping.is_set():
        sender.stop()


def follow(
    address: str,
    patience: float = 0.5,
    frozen_after: float = 60,
    *,
    required: bool = True,
    latency: float = 0.0,
) -> LiveSource:
    return LiveSource(
        OpenCvCamera(address, "line", "stream", backend=cv2.CAP_FFMPEG),
        patience=patience, frozen_after=frozen_after, latency=latency, required=required,
    )  # fmt: skip


def connect(target: int | str = 0, patience: float = 0.5) -> LiveSource:
    return LiveSource(OpenCvCamera(target, "line", "camera"), patience=patience)


def skip_to(
    frames: Iterator[Frame], wanted: Callable[[Frame], object], seconds: float = 20
) -> tuple[Frame, list[Frame]]:
    """Take frames until one is wanted: it, and those before it."""
    before: list[Frame] = []
    until = time.monotonic() + seconds
    for frame in frames:
        if wanted(frame):
            return frame, before
        before.append(frame)
        assert time.monotonic() < until, f"not within {seconds} s; {len(before)} frames, last: {frame.reason}"
    raise AssertionError("the frames ended")


def is_silent(frame: Frame) -> bool:
    return frame.reason is not None and SILENT.fullmatch(frame.reason) is not None


def is_image(frame: Frame) -> bool:
    return frame.image is not None


def print_figure(figure: str) -> None:
    """Show a measured figure, with pytest -s."""
    sys.stdout.write(f"{figure}\n")


def count_threads() -> int:
    return sum(thread.name.startswith("line ") for thread in threading.enumerate())


def test_each_frame_is_given_once_and_in_order(sender: Sender) -> None:
    with closing(follow(sender.address).read_frames()) as frames:
        taken = list(islice(frames, 30))
    assert [frame.number for frame in taken] == list(range(1, 31))
    assert [frame.name for frame in taken] == [f"line#{number}" for number in range(1, 31)]
    numbers = [read_number(frame) for frame in taken]
    assert numbers == sorted(set(numbers))
    assert sender.openings == 1


def test_a_slow_inspection_gets_the_newest_frame_and_all_others_are_counted(sender: Sender) -> None:
    capture = follow(sender.address, patience=5)
    numbers, ages = [], []
    with closing(capture.read_frames()) as frames:
        for frame in islice(frames, 8):
            numbers.append(read_number(frame))
            ages.append(time.monotonic() - sender.sent[numbers[-1]])
            assert frame.taken is not None
            assert sender.sent[numbers[-1]] <= frame.taken <= time.monotonic()
            time.sleep(0.5)
    print_figure(
        f"age of the newest frame: {sorted(ages)[4] * 1000:.1f} ms median, {max(ages) * 1000:.1f} ms at most"
    )
    assert max(ages) < 0.4
    assert capture.remark is not None
    told = re.fullmatch(
        r"line: (\d+) frames came while others were inspected; the newest was always taken", capture.remark
    )
    assert told
    assert int(told[1]) + len(numbers) == numbers[-1]
    assert int(told[1]) > 7 * 10


def test_a_source_that_was_switched_off_is_back_soon(sender: Sender) -> None:
    capture = follow(sender.address)
    with closing(capture.read_frames()) as frames:
        before = read_number(list(islice(frames, 5))[-1])
        sender.stop()
        skip_to(frames, is_silent)
        silent = list(islice(frames, 5))
        sender.start()
        start = time.monotonic()
        back, waiting = skip_to(frames, is_image)
        seconds = time.monotonic() - start
    print_figure(f"back {seconds:.2f} s after the source's return")
    assert all(map(is_silent, silent + waiting))
    assert seconds < 5
    assert read_number(back) > before
    assert back.number == silent[-1].number + len(waiting) + 1
    assert capture.remark is not None
    assert capture.remark.endswith("the stream was reopened once")


def test_silence_is_reported_once_every_patience(sender: Sender) -> None:
    with closing(follow(sender.address).read_frames()) as frames:
        next(frames)
        sender.stop()
        skip_to(frames, is_silent)
        start = time.monotonic()
        silent = list(islice(frames, 4))
        assert 1.9 < time.monotonic() - start < 4
    assert all(map(is_silent, silent))
    lengths = [float(re.findall(r"[\d.]+", frame.reason or "")[0]) for frame in silent]
    assert lengths == sorted(set(lengths))


@pytest.mark.parametrize("mode", ["block", "mute"])
def test_a_connection_that_says_nothing_more_is_replaced(sender: Sender, mode: str) -> None:
    """Neither the connection that is blocked nor those that were opened meanwhile ever say a word again."""
    with closing(follow(sender.address).read_frames()) as frames:
        next(frames)
        sender.mode = "block"
        skip_to(frames, is_silent)
        sender.mode = mode
        assert all(map(is_silent, islice(frames, 10)))
        assert sender.openings >= 4  # an attempt that is left unanswered doesn't keep the next one long
        sender.mode = "live"
        start = time.monotonic()
        skip_to(frames, is_image)
        seconds = time.monotonic() - start
        print_figure(f"back {seconds:.2f} s after the source's return ({mode})")
        assert seconds < 5
        taken = [read_number(frame) for frame in islice(frames, 20)]
        assert taken == sorted(set(taken))  # and from one connection, not from two in turn


def test_what_waited_during_an_outage_is_not_taken_for_new(sender: Sender) -> None:
    with closing(follow(sender.address).read_frames()) as frames:
        next(frames)
        time.sleep(0.2)
        sender.stop()
        time.sleep(1)
        assert is_silent(next(frames))


def test_a_frozen_image_is_reported_until_it_changes(sender: Sender) -> None:
    with closing(follow(sender.address, frozen_after=0.6).read_frames()) as frames:
        list(islice(frames, 5))
        sender.mode = "repeat"
        frozen, before = skip_to(frames, lambda frame: not is_image(frame))
        assert frozen.reason is not None
        assert re.fullmatch(r"the image has not changed for 0\.[67] s", frozen.reason)
        assert len(before) > 5
        # It stays frozen when the source is opened again, which is tried.
        openings = sender.openings
        skip_to(frames, lambda _frame: sender.openings > openings + 1)
        again, _ = skip_to(frames, lambda frame: not is_silent(frame))
        assert "has not changed for" in (again.reason or "")
        sender.mode = "live"
        skip_to(frames, is_image)
        assert all(map(is_image, islice(frames, 20)))


def test_a_black_image_is_reported(sender: Sender) -> None:
    sender.mode = "black"
    with closing(follow(sender.address).read_frames()) as frames:
        taken = list(islice(frames, 3))
        assert {frame.reason for frame in taken} == {"the image is black"}
        assert all(frame.image is None and frame.shown is not None for frame in taken)
        sender.mode = "live"
        skip_to(frames, is_image)


def test_an_address_that_refuses_is_an_error_at_once(sender: Sender) -> None:
    sender.stop()
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"^line: this stream can't be opened; is the address right"):
        next(follow(sender.address).read_frames())
    assert time.monotonic() - start < 3
    assert count_threads() == 0


def test_a_source_that_never_answers_is_an_error(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reader, "_OPENING", 1.0)
    sender.mode = "mute"
    with pytest.raises(SourceError, match=r"^line: this stream can't be opened"):
        next(follow(sender.address).read_frames())
    assert count_threads() == 0


def test_a_camera_that_need_not_be_there_is_waited_for(
    sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    sender.stop()
    capture = follow(sender.address, required=False)
    assert capture.fault is None
    with closing(capture.read_frames()) as frames:
        assert all(map(is_silent, islice(frames, 3)))
        assert capture.fault
        assert SILENT.fullmatch(capture.fault)
        (record,) = caplog.records
        assert record.message.startswith("line: this stream can't be opened")
        assert record.message.endswith(" (it is waited for)")
        sender.start()
        start = time.monotonic()
        back, waiting = skip_to(frames, is_image)
        assert time.monotonic() - start < 5
        assert capture.fault is None
    assert all(map(is_silent, waiting))
    assert back.number == 3 + len(waiting) + 1
    assert capture.fault is None


@pytest.mark.parametrize("required", [True, False])
def test_a_camera_that_says_nothing_can_be_left_before_it_is_there(
    sender: Sender, required: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sender.mode = "mute"
    capture = follow(sender.address, required=required)
    with ThreadPoolExecutor() as pool:
        opening = pool.submit(capture.open)
        time.sleep(0.3)
        start = time.monotonic()
        capture.leave()
        if required:
            with pytest.raises(SourceError, match="the stream does not answer"):
                opening.result(10)
        else:
            opening.result(10)
        capture.close()
        assert time.monotonic() - start < 1.5
    assert not caplog.records


@pytest.mark.parametrize("mode", ["live", "block", "mute"])
def test_closing_takes_less_than_a_second(sender: Sender, mode: str) -> None:
    frames = follow(sender.address).read_frames()
    next(frames)
    sender.mode = "block"
    skip_to(frames, is_silent)
    sender.mode = mode
    time.sleep(2)
    start = time.monotonic()
    frames.close()
    seconds = time.monotonic() - start
    print_figure(f"closed in {seconds:.2f} s ({mode})")
    assert seconds < 1.5
    sender.stop()
    until = time.monotonic() + 20
    while count_threads():
        assert time.monotonic() < until, threading.enumerate()
        time.sleep(0.05)


def test_a_program_ends_although_its_source_is_blocked(sender: Sender) -> None:
    code = """if True:
        import sys, cv2
        from softcore_edge_app.cameras.live_source import LiveSource
        from softcore_edge_app.cameras.opencv_camera import OpenCvCamera
        camera = OpenCvCamera(sys.argv[1], "line", "stream", backend=cv2.CAP_FFMPEG)
        source = LiveSource(camera, patience=0.5)
        frames = source.read_frames()
        print(next(frames).reason, flush=True)
        while next(frames).reason is None: pass
        print("silent", flush=True)
        """
    with subprocess.Popen(
        [sys.executable, "-c", code, sender.address], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "None\n"
        sender.mode = "block"
        assert running.stdout.readline() == "silent\n"
        assert running.wait(timeout=10) == 0


def test_a_program_ends_although_it_forgot_to_close_its_source(sender: Sender) -> None:
    code = """if True:
        import sys, cv2
        from softcore_edge_app.cameras.live_source import LiveSource
        from softcore_edge_app.cameras.opencv_camera import OpenCvCamera
        camera = OpenCvCamera(sys.argv[1], "line", "stream", backend=cv2.CAP_FFMPEG)
        frames = LiveSource(camera).read_frames()
        next(frames)
        sys.modules["keep"] = frames
        """
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code, sender.address], check=True, timeout=20)


def test_fifty_reconnections_leak_nothing(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reader, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(live_reader, "_LONGEST_PAUSE", 0.02)

    def measure() -> tuple[int, int, int]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return (
            pages * os.sysconf("SC_PAGE_SIZE") // 2**20,
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - only their number
            count_threads(),
        )

    sender.mode = "end"
    capture = follow(sender.address, patience=5)
    with closing(capture.read_frames()) as frames:
        skip_to(frames, lambda _frame: sender.openings > 10)
        memory, files, threads = measure()
        skip_to(frames, lambda _frame: sender.openings > 60, seconds=60)
        memory_after, files_after, threads_after = measure()
    print_figure(f"after 50 reconnections: {memory} -> {memory_after} MiB, {files} -> {files_after} files")
    assert memory_after - memory < 20
    assert files_after - files < 8
    assert max(threads, threads_after) <= 4
    assert count_threads() == 0


def test_a_recorded_video_at_an_address_is_gone_through_like_a_file(
    tmp_path: Path, good_frame: np.ndarray
) -> None:
    video = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 48))
    for _ in range(6):
        writer.write(good_frame)
    writer.release()
    data = video.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(data)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        capture = follow(f"http://127.0.0.1:{server.server_port}/line.avi")
        frames = list(capture.read_frames())
        capture.open()
        taken = [capture.take(number, time.monotonic(), float("inf")) for number in range(1, 8)]
        capture.close()
        server.shutdown()
    assert [frame.name for frame in frames] == [f"line#{number}" for number in range(1, 7)]
    assert all(map(is_image, frames))
    assert [frame.name for frame in taken[:-1]] == [frame.name for frame in frames]
    assert taken[-1].reason == "the recording has come to its end"
    assert capture.remark is None


def test_images_of_another_size_are_invalid_until_the_camera_has_its_own_again(sender: Sender) -> None:
    """The part would have another scale: it might PASS."""
    capture = follow(sender.address, patience=5)
    with closing(capture.read_frames()) as frames:
        skip_to(frames, is_image)
        sender.mode = "large"
        sender.stop()
        sender.start()
        other, _ = skip_to(frames, lambda frame: frame.reason and not is_silent(frame))
        assert other.reason == "the image has 1024 x 64 pixels, and at the start it had 512 x 32 pixels"
        assert capture.fault == other.reason
        sender.mode = "live"
        sender.stop()
        sender.start()
        skip_to(frames, is_image)


class Camera:
    """Stands in for cv2.VideoCapture, since no test machine has a camera to unplug."""

    def __init__(self, frames: int, then: Callable[[], bool]) -> None:
        self.frames = frames
        self.then = then
        self.settings: dict[int, float] = {}
        self.released = threading.Event()

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, _property: int) -> float:
        return -1.0

    def set(self, which: int, value: float) -> bool:
        self.settings[which] = value
        return False

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.01)
        self.frames -= 1
        return self.frames >= 0 or self.then(), np.random.default_rng().integers(0, 255, (48, 48, 3)).astype(
            np.uint8
        )

    def release(self) -> None:
        self.released.set()


def plug_in(monkeypatch: pytest.MonkeyPatch, *cameras: Camera) -> None:
    """Let OpenCV open these cameras, one after the other, and none after the last."""
    waiting = iter(cameras)

    def open_next(*_arguments: Any) -> Camera:
        camera = next(waiting, None)
        if camera is None:
            raise cv2.error("no such device")
        return camera

    monkeypatch.setattr(cv2, "VideoCapture", open_next)


def fail() -> bool:
    raise cv2.error("select() timeout")


@pytest.mark.parametrize("end", [fail, lambda: False])
def test_a_camera_that_dies_is_opened_again(monkeypatch: pytest.MonkeyPatch, end: Callable[[], bool]) -> None:
    first, second = Camera(3, end), Camera(10**6, fail)
    plug_in(monkeypatch, first, second)
    frames = connect().read_frames()
    skip_to(frames, lambda _frame: second.frames < 10**6 - 5)
    assert first.released.is_set()
    assert first.settings == {cv2.CAP_PROP_BUFFERSIZE: 1}
    assert not second.released.is_set()
    frames.close()
    assert second.released.is_set()
    assert count_threads() == 0


def test_a_camera_that_never_returns_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reader, "_SECOND_DEVICE", 0.5)
    let_go = threading.Event()
    stuck, other = Camera(3, let_go.wait), Camera(10**6, fail)
    plug_in(monkeypatch, stuck, other)
    with closing(connect().read_frames()) as frames:
        _, before = skip_to(frames, is_silent)
        assert len(before) <= 3
        skip_to(frames, is_image)
        assert not stuck.released.is_set()
        let_go.set()
        assert stuck.released.wait(5)
        assert all(map(is_image, islice(frames, 20)))


def test_what_a_device_had_buffered_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()

    class Numbered(Camera):
        given = 0

        def read(self) -> tuple[bool, np.ndarray | None]:
            self.given += 1
            if self.given == 10:
                silent.wait(0.6)
            _, image = super().read()
            assert image is not None
            image[0, 0, 0] = self.given
            return True, image

    plug_in(monkeypatch, Numbered(10**6, fail))
    with closing(connect(patience=0.3).read_frames()) as frames:
        taken, _ = skip_to(frames, lambda frame: frame.image is not None and frame.image[0, 0, 0] > 9)
    assert taken.image is not None
    assert taken.image[0, 0, 0] >= 14  # 10 to 13 waited


def test_another_camera_of_the_same_name_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two that were plugged in again in another order would have one another's parts."""
    name = tmp_path / "video0" / "name"
    name.parent.mkdir()
    name.write_text("left eye\n")
    monkeypatch.setattr(devices, "_CLASS", tmp_path)
    monkeypatch.setattr(live_reader, "_LONGEST_PAUSE", 0.05)

    def unplug() -> bool:
        name.write_text("right eye\n")
        return fail()

    plug_in(monkeypatch, Camera(3, unplug), Camera(10**6, fail))
    capture = connect()
    with closing(capture.read_frames()) as frames:
        told = "another camera has its name now (right eye; at the start left eye)"
        refused, _ = skip_to(frames, lambda frame: frame.reason and told in frame.reason)
        assert is_silent(Frame(1, "x", reason=str(refused.reason).removesuffix(f": {told}")))
        name.write_text("left eye\n")
        skip_to(frames, is_image)
    assert caplog.messages == [f"line: {told}"]


@pytest.mark.parametrize("serial", [None, "0042"])
def test_a_camera_is_known_by_its_name_and_serial_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, serial: str | None
) -> None:
    """As Linux shows a USB camera: the interface, in the device that has the number."""
    interface = tmp_path / "usb1" / "1-2" / "1-2:1.0"
    interface.mkdir(parents=True)
    if serial:
        (interface.parent / "serial").write_text(f"{serial}\n")
    node = tmp_path / "class" / "video3"
    node.mkdir(parents=True)
    (node / "name").write_text("HD Camera\n")
    (node / "device").symlink_to(interface)
    monkeypatch.setattr(devices, "_CLASS", tmp_path / "class")
    named = tmp_path / "by-id"
    named.symlink_to("/dev/video3")
    known = "HD Camera, serial number 0042" if serial else "HD Camera"
    assert [devices.identify_device(one) for one in (3, "3", "/dev/video3", str(named))] == [known] * 4
    assert devices.identify_device("/dev/video4") is None


def test_a_camera_without_a_frame_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(0, lambda: False)
    plug_in(monkeypatch, camera)
    with pytest.raises(SourceError, match=r"^line: the camera was opened but gave no frame$"):
        next(connect().read_frames())
    assert camera.released.is_set()


@pytest.mark.parametrize("target", [97, 10**14, "/dev/video97"])
def test_an_absent_camera_is_an_error_at_once(target: int | str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"^line: (this camera can't be opened|no such camera)"):
        next(connect(target).read_frames())
    assert time.monotonic() - start < 3


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg: apt install ffmpeg")
def test_a_stream_of_ffmpeg_is_back_soon_after_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts, real = [], cv2.VideoCapture

    def count(*arguments: Any) -> cv2.VideoCapture:
        attempts.append(time.monotonic())
        return real(*arguments)

    monkeypatch.setattr(cv2, "VideoCapture", count)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{free.getsockname()[1]}"
    command = [
        "ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25",
        "-c:v", "mpeg2video", "-g", "10", "-f", "mpegts", address,
    ]  # fmt: skip
    with subprocess.Popen(command) as first:
        frames = follow(address, patience=1).read_frames()
        taken = list(islice(frames, 20))
        first.kill()
    skip_to(frames, is_silent)
    assert all(map(is_silent, islice(frames, 4)))
    assert len(attempts) < 15  # the first opening still holds the port, so each of these fails at once
    with subprocess.Popen(command) as second:
        start = time.monotonic()
        skip_to(frames, is_image)
        print_figure(f"back {time.monotonic() - start:.2f} s after ffmpeg's return")
        taken += islice(frames, 10)
        frames.close()
        second.kill()
    assert all(map(is_image, taken))


def test_each_trigger_gets_the_first_frame_that_came_after_it(sender: Sender) -> None:
    camera = follow(sender.address, patience=5)
    camera.open()
    try:
        since, numbers = [], []
        for number in range(1, 20):
            time.sleep(0.05 * (number % 3))
            since.append(time.monotonic())
            frame = camera.take(number, since[-1], float("inf"))
            assert frame.number == number
            assert frame.taken is not None
            assert frame.taken >= since[-1]
            numbers.append(read_number(frame))
        for number, moment in zip(numbers, since, strict=True):
            assert sender.sent[number] > moment - 0.5  # what was on its way
        assert numbers == sorted(set(numbers))
    finally:
        camera.close()


def test_a_trigger_gets_the_frame_that_shows_its_moment_however_far_a_stream_is_behind(
    sender: Sender,
) -> None:
    """What comes at once shows the part before, half a second ago."""
    sender.delay = 0.5
    camera = follow(sender.address, patience=5, latency=sender.delay)
    camera.open()
    try:
        for number in (1, 2):
            since = time.monotonic()
            frame = camera.take(number, since, float("inf"))
            assert frame.taken is not None
            assert frame.taken >= since + sender.delay
            assert sender.shown[read_number(frame)] > since - 0.4  # a busy machine's time to receive it
    finally:
        camera.close()


def test_what_waited_in_a_buffer_is_not_taken(sender: Sender) -> None:
    """After a network or a process that stood still, a trigger would get a frame of the parts before."""
    camera = follow(sender.address, patience=0.3)
    camera.open()
    try:
        assert is_image(camera.take(1, time.monotonic(), float("inf")))
        sender.mode = "stall"
        assert is_silent(camera.take(2, time.monotonic() + 0.1, float("inf")))
        number = 2
        sender.mode = "live"
        while is_silent(frame := camera.take(number, time.monotonic(), float("inf"))):
            number += 1
        assert len(sender.stalled) > 5
        assert read_number(frame) not in sender.stalled
    finally:
        camera.close()


def test_the_patience_for_a_frame_begins_when_it_should_come(sender: Sender) -> None:
    camera = follow(sender.address, patience=0.2, latency=0.5)
    camera.open()
    try:
        assert is_image(camera.take(1, time.monotonic(), float("inf")))
    finally:
        camera.close()


def test_triggers_of_one_moment_get_frames_of_their_own(sender: Sender) -> None:
    camera = follow(sender.address, patience=5)
    camera.open()
    try:
        now = time.monotonic()
        numbers = [read_number(camera.take(number, now, float("inf"))) for number in range(1, 6)]
        assert len(set(numbers)) == 5
    finally:
        camera.close()


def test_a_trigger_without_a_frame_in_time_has_the_reason(sender: Sender) -> None:
    camera = follow(sender.address, patience=5)
    camera.open()
    try:
        camera.take(1, time.monotonic(), float("inf"))
        assert camera.fault is None
        sender.mode = "block"
        skip = time.monotonic() + 0.3
        while time.monotonic() < skip:
            camera.take(2, time.monotonic(), skip)
        began = time.monotonic()
        frame = camera.take(3, began, began + 0.2)
        assert is_silent(frame)
        assert time.monotonic() - began < 4  # not its whole patience
    finally:
        camera.close()


def test_waiting_ends_when_the_camera_is_left(sender: Sender) -> None:
    camera = follow(sender.address, patience=60)
    camera.open()
    sender.mode = "block"
    time.sleep(0.2)
    threading.Timer(0.2, camera.leave).start()
    now = time.monotonic()
    while not is_silent(camera.take(1, now, float("inf"))):
        pass
    assert time.monotonic() - now < 30
    camera.close()


def test_properties_are_set_at_each_opening(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, float]] = []

    class Capture:
        def __init__(self, real: Any) -> None:
            self._real = real

        def set(self, name: int, value: float) -> bool:
            asked.append((name, value))
            return False

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    open_capture = opencv_camera.open_capture
    monkeypatch.setattr(
        opencv_camera, "open_capture", lambda *given, **more: Capture(open_capture(*given, **more))
    )
    wanted = {cv2.CAP_PROP_EXPOSURE: -6.0, cv2.CAP_PROP_GAIN: 4.0}
    opened = OpenCvCamera(sender.address, "line", "stream", backend=cv2.CAP_FFMPEG, properties=wanted)
    camera = LiveSource(opened, patience=0.5)
    with closing(camera.read_frames()) as frames:
        next(frames)
        sender.mode = "end"
        skip_to(frames, lambda _frame: camera.reopened)
    assert dict(asked) == wanted
    assert len(asked) >= 4
