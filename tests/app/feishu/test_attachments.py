"""Images, files and forwarded messages."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.loaders import ocr
from tests.app.feishu.chats import QUESTION, Room, shown, values
from tests.app.feishu.platform import Trouble
from tests.app.servers import wait_until
from tests.fake_openai import Words

MIB = 1024 * 1024


def picture(text: str) -> bytes:
    image = Image.new("RGB", (900, 120), "white")
    ImageDraw.Draw(image).text((20, 40), text, fill="black", font=ImageFont.load_default(28))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


needs_ocr = pytest.mark.skipif(not ocr.is_installed(), reason="text recognition (the extra ocr) is not installed")


@needs_ocr
def test_a_question_in_an_image_is_read_and_answered(room: Room) -> None:
    image = room.platform.image(room.li, room.chat, picture("Within how many days can a card be returned?"))
    room.deliver(room.platform.event_of(image))
    assert "within 15 days" in shown(room.reply_to(image))


@needs_ocr
def test_an_image_in_rich_text_is_read_with_the_text_around_it(room: Room) -> None:
    key = room.platform.image_key(picture("Within how many days can a card be returned?"))
    words, image = {"tag": "text", "text": "Please answer this:"}, {"tag": "img", "image_key": key}
    content = {"title": "", "content": [[words], [image]]}
    message = room.platform.says(room.li, room.chat, content=content, msg_type="post")
    room.deliver(room.platform.event_of(message))
    said = shown(room.reply_to(message))
    assert "Please answer this" in said
    assert "within 15 days" in said


@needs_ocr
def test_an_image_without_text_and_one_that_is_damaged_are_said_to_be_so(room: Room) -> None:
    room.ask(QUESTION)
    for data in (picture(""), b"\x89PNG no image", b"nothing at all"):
        image = room.platform.image(room.li, room.chat, data)
        room.deliver(room.platform.event_of(image))
        assert "cannot be read" in shown(room.reply_to(image))


def test_without_text_recognition_the_person_is_asked_to_write(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    room.ask(QUESTION)
    image = room.platform.image(room.li, room.chat, picture("hello"))
    room.deliver(room.platform.event_of(image))
    assert "not installed" in shown(room.reply_to(image))


def test_a_file_goes_into_the_chats_collection_after_somebody_has_said_yes(room: Room) -> None:
    room.service.services.collections.create("notes")
    room.ask("/kb notes")
    text = b"# Parking\n\nThe garage closes at 22:30 on weekdays.\n"
    file = room.platform.file(room.li, room.chat, "parking.md", text)
    room.deliver(room.platform.event_of(file))
    offer = room.reply_to(file)
    assert "parking.md" in shown(offer)
    assert [one["action"] for one in values(offer)] == ["ingest", "decline"]
    assert room.service.services.collections.open("notes").count() == 0
    assert room.click(offer, "ingest").status == 200
    wait_until(lambda: "已加入" in shown(room.platform.message(offer.message_id)))
    assert room.service.services.collections.open("notes").count() == 1
    room.model.replies[:] = [Words(("The garage closes ", "at 22:30 on weekdays."))]
    assert "Parking" in shown(room.ask("At what time does the garage close on weekdays?"))


def test_a_file_that_is_not_wanted_does_not_go_in_and_the_first_decision_counts(room: Room) -> None:
    file = room.platform.file(room.li, room.chat, "secret.md", b"# Secret\n\nNothing.\n")
    room.deliver(room.platform.event_of(file))
    offer = room.reply_to(file)
    yes = room.platform.click(room.li, offer, values(offer)[0])
    room.click(offer, "decline")
    wait_until(lambda: not values(room.platform.message(offer.message_id)))
    room.deliver(yes)
    room.ask("/help")
    names = [one.source for one in room.service.services.collections.open("default").documents()]
    assert "secret.md" not in names


def test_a_file_of_fifty_megabytes_is_refused_with_the_limit(room: Room) -> None:
    file = room.platform.file(room.li, room.chat, "large.pdf", b"%PDF" + bytes(50 * MIB))
    room.deliver(room.platform.event_of(file))
    said = shown(room.reply_to(file))
    assert "large.pdf" in said
    assert "30 MB" in said


def test_a_file_of_a_kind_that_is_not_read_is_refused_with_those_that_are(room: Room) -> None:
    file = room.platform.file(room.li, room.chat, "film.mp4", b"x")
    room.deliver(room.platform.event_of(file))
    assert ".docx" in shown(room.reply_to(file))


def test_a_damaged_file_is_said_to_be_so_after_the_click(room: Room) -> None:
    file = room.platform.file(room.li, room.chat, "broken.docx", b"PK\x03\x04 this is no document")
    room.deliver(room.platform.event_of(file))
    offer = room.reply_to(file)
    room.click(offer, "ingest")
    wait_until(lambda: "没能加入" in shown(room.platform.message(offer.message_id)))


def test_a_file_that_is_gone_is_asked_for_again(room: Room) -> None:
    file = room.platform.file(room.li, room.chat, "gone.md", b"# Gone\n")
    room.platform.fail("/resources/", with_=Trouble.error(234008, "The app is not the resource sender"))
    room.deliver(room.platform.event_of(file))
    assert "重新发送" in shown(room.reply_to(file))


def test_forwarded_messages_are_read_as_text(room: Room) -> None:
    wang = room.platform.user("Wang")
    told = [room.platform.says(wang, room.platform.p2p(wang), QUESTION)]
    bundle = room.platform.forwards(room.li, room.chat, told)
    room.deliver(room.platform.event_of(bundle))
    assert "within 15 days" in shown(room.reply_to(bundle))
