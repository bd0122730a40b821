"""The page in a real browser. Without Chromium these tests are skipped."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from langchain_core.messages import HumanMessage
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from chat_service.app import create_app
from elasticsearch_chat_history import ElasticsearchChatStore
from tests.service.models import BEGIN, END, CallingModel, HeldModel
from tests.service.serving import Client, serving

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script> \"'&amp; שלום 👩‍👩‍👧"
HEBREW = "שלום, מה שלומך?"
NARROW = {"width": 360, "height": 640}
LONG_WAIT = 60_000
MORE_THAN_A_PAGE = 32  # of conversations, and of hits
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

expect.set_options(timeout=LONG_WAIT)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("No Chromium: install it, such as with `apt-get install chromium`.")
    with sync_playwright() as playwright:
        # Its sandbox does not work for root, and shared memory may be small.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(LONG_WAIT)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """The page for a new user; no script of a message has run in it, and nothing has failed."""
    opened = context.new_page()
    unexpected: list[str] = []
    opened.on("dialog", lambda dialog: unexpected.append(f"dialog {dialog.message}"))
    opened.on("pageerror", lambda error: unexpected.append(f"error {error}"))
    opened.on("console", lambda line: unexpected.append(f"{line.type} {line.text}"))
    opened.goto(url)
    yield opened
    assert unexpected == []


def ask(page: Page, text: str) -> None:
    """Ask with the keyboard, and wait for the answer."""
    before = messages(page).count()
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(messages(page).nth(before + 1)).to_be_visible()
    expect(page.locator("#messages[aria-busy=false]")).to_be_visible()


def messages(page: Page) -> Any:
    return page.locator("#messages .message")


def texts(page: Page) -> list[str]:
    return [str(text) for text in page.locator("#messages .text").all_inner_texts()]


def test_conversations_are_listed_newest_first_with_titles(page: Page) -> None:
    ask(page, "What is a computer?")
    expect(page.get_by_role("heading")).to_have_text("What is a computer?")
    page.get_by_role("button", name="New conversation").click()
    expect(messages(page)).to_have_count(0)
    ask(page, "Hello")
    expect(page.locator("#sessions .name")).to_have_text(["Hello", "What is a computer?"])
    page.get_by_role("button", name="What is a computer?").click()
    expect(page.locator("#messages .text").first).to_have_text("What is a computer?")
    page.reload()
    expect(page.locator("#sessions .name")).to_have_text(["Hello", "What is a computer?"])


def test_answer_is_streamed_word_by_word_and_kept_when_the_page_is_reloaded(
    context: BrowserContext, held: Client, held_model: HeldModel
) -> None:
    page = context.new_page()
    page.set_extra_http_headers({"X-User": held.user})
    page.goto(str(held.http.base_url))
    page.get_by_label("Message", exact=True).fill("Hello")
    page.keyboard.press("Enter")
    answer = page.locator("#messages .text").nth(1)
    expect(answer).to_have_text(BEGIN)
    page.reload()
    page.locator("#sessions button").click()
    expect(answer).to_have_text(BEGIN)
    held_model.release()
    expect(answer).to_have_text(BEGIN + END)
    expect(page.get_by_role("status")).to_have_text(BEGIN + END)
    assert len(held_model.asked) == 1


def test_hostile_text_is_text_everywhere(page: Page) -> None:
    ask(page, f"{HOSTILE} shards")
    shown = f"{HOSTILE} shards"
    expect(page.locator("#messages .human .text")).to_have_text(shown)
    expect(page.locator("#sessions .name")).to_have_text(shown)
    expect(page.locator("#title")).to_have_text(shown)
    page.get_by_label("Search all conversations").fill("shards")
    page.keyboard.press("Enter")
    expect(page.locator("#hits em")).to_have_text("shards")
    expect(page.locator("#hits p")).to_have_text(shown)
    assert page.locator("img, main script, nav script").count() == 0


def test_edited_question_is_asked_anew(page: Page) -> None:
    ask(page, "Hello")
    ask(page, "What is a computer?")
    page.get_by_role("button", name="Edit").first.click()
    field = page.get_by_label("Message", exact=True)
    expect(field).to_have_value("Hello")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_have_value("")
    page.get_by_role("button", name="Edit").first.click()
    field.fill("Who invented computers?")
    page.keyboard.press("Enter")
    expect(messages(page)).to_have_count(2)
    expect(messages(page).first).to_contain_text("Who invented computers?")
    expect(page.locator("#sessions .name")).to_have_text(["Who invented computers?"])


def test_question_is_answered_again(page: Page) -> None:
    ask(page, "Hello")
    earlier = messages(page).nth(1).get_attribute("data-id")
    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(f"#messages :not([data-id='{earlier}']).message")).to_have_count(2)
    expect(messages(page)).to_have_count(2)


def test_hit_of_a_search_leads_to_its_message(page: Page) -> None:
    ask(page, "What is a computer?")
    page.get_by_role("button", name="New conversation").click()
    ask(page, "Hello")
    search = page.get_by_label("Search all conversations")
    search.fill("electronic device")
    page.keyboard.press("Enter")
    expect(page.locator("#hits em").first).to_have_text("electronic")
    page.locator("#hits button").first.click()
    expect(page.locator(".found .text")).to_contain_text("electronic device")
    expect(page.get_by_role("heading")).to_have_text("What is a computer?")
    search.press("Escape")
    expect(page.locator("#hits")).to_be_hidden()
    expect(page.locator("#sessions")).to_be_visible()


def test_lists_go_on_page_by_page(
    context: BrowserContext, page: Page, service_index: str, admin: Elasticsearch
) -> None:
    (user,) = [cookie["value"] for cookie in context.cookies() if cookie["name"] == "user"]
    store = ElasticsearchChatStore(service_index, client=admin, refresh=False)
    for number in range(MORE_THAN_A_PAGE):
        history = store.scoped({"user": user}).session(f"s{number}")
        history.add_message(HumanMessage(f"Shards {number}"))
    admin.indices.refresh(index=service_index)
    page.reload()
    page.get_by_role("button", name="More").click()
    expect(page.locator("#sessions button")).to_have_count(MORE_THAN_A_PAGE)
    expect(page.get_by_role("button", name="More")).to_be_hidden()
    page.get_by_label("Search all conversations").fill("shards")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="More").click()
    expect(page.locator("#hits button")).to_have_count(MORE_THAN_A_PAGE)
    expect(page.get_by_role("button", name="More")).to_be_hidden()


def test_tool_calls_are_folded(page: Page) -> None:
    ask(page, "What time is it?")
    call = page.locator("#messages details")
    result = call.get_by_text("UTC")
    expect(call).to_contain_text("Called current_time")
    expect(result).to_be_hidden()
    call.locator("summary").press("Enter")
    expect(result).to_be_visible()


def test_answer_of_an_agent_is_followed_after_its_call_of_a_tool(
    context: BrowserContext, service_index: str, address: dict[str, Any]
) -> None:
    pytest.importorskip("langchain")
    model = CallingModel()
    with serving(create_app(model, service_index, agent=True, **address)) as url:
        page = context.new_page()
        page.goto(url)
        page.get_by_label("Message", exact=True).fill("What time is it?")
        page.keyboard.press("Enter")
        last = page.locator("#messages .text").last
        expect(last).to_have_text(BEGIN)
        page.reload()
        page.locator("#sessions button").click()
        expect(last).to_have_text(BEGIN)
        model.release()
        expect(last).to_have_text(BEGIN + END)
        expect(page.locator("#messages details")).to_have_count(1)
        expect(messages(page)).to_have_count(3)


def test_page_is_used_with_the_keyboard(page: Page) -> None:
    field = page.get_by_label("Message", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(field).to_have_value("One\ntwo")
    page.keyboard.press("Enter")
    expect(messages(page)).to_have_count(2)
    expect(page.locator("#sessions button")).to_have_count(1)
    page.get_by_role("button", name="New conversation").focus()
    reached = []
    for _ in range(5):
        focused = page.locator(":focus")
        reached.append(focused.evaluate("(element) => element.id || element.innerText"))
        assert focused.evaluate("(element) => getComputedStyle(element).outlineStyle") == "solid"
        page.keyboard.press("Tab")
    assert [each.partition("\n")[0] for each in reached] == [
        "new",
        "search",
        "One two",
        "Export",
        "forget-all",
    ]


def test_narrow_page_has_a_list_to_open_and_nothing_to_scroll_sideways(page: Page) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    ask(page, "x" * 300 + " " + HOSTILE)
    width = page.evaluate("() => document.documentElement.scrollWidth")
    inner = page.evaluate("() => document.getElementById('scroll').scrollWidth")
    assert (width, inner) == (NARROW["width"], NARROW["width"])
    expect(page.locator("#sidebar")).to_be_hidden()
    page.get_by_role("button", name="Show the list").click()
    expect(page.locator("#sidebar")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#sidebar")).to_be_hidden()


@pytest.mark.parametrize(
    ("scheme", "brightness"), [("light", range(200, 256)), ("dark", range(60))]
)
def test_page_is_light_or_dark_as_the_system_is(
    page: Page, scheme: Any, brightness: range
) -> None:
    page.emulate_media(color_scheme=scheme)
    color = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert all(int(part) in brightness for part in re.findall(r"\d+", color))


def test_text_from_right_to_left_begins_at_the_right(page: Page) -> None:
    ask(page, HEBREW)
    for place in ("#messages .human .text", "#sessions .name", "#title"):
        direction = "(element) => getComputedStyle(element).direction"
        assert page.locator(place).evaluate(direction) == "rtl", place


def test_forgotten_conversation_is_gone(page: Page) -> None:
    ask(page, "Hello")
    page.get_by_role("button", name="Forget", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#sessions button")).to_have_count(1)
    page.get_by_role("button", name="Forget", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#sessions button")).to_have_count(0)
    expect(messages(page)).to_have_count(0)


def test_request_whose_answer_was_lost_is_tried_again_and_stored_once(
    context: BrowserContext, url: str
) -> None:
    page = context.new_page()
    page.goto(url)
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(json.loads(route.request.post_data or "")["key"])
        if len(keys) == 1:
            # The service has it all, and the browser gets nothing.
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route(
        "**/messages",
        lambda route: lose(route) if route.request.method == "POST" else route.continue_(),
    )
    page.get_by_label("Message", exact=True).fill("Hello")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Try again").click()
    expect(messages(page)).to_have_count(2)
    expect(page.locator("#sessions")).to_contain_text("2 messages")
    assert keys[0] == keys[1]
