// The page of the chat service. What a message holds only ever becomes text, never HTML.

const PAGE_SIZE = 50;
const SESSIONS = 30;
const HITS = 20;
const byId = (id) => document.getElementById(id);
const state = {
  session: null, // the id of the conversation that is shown
  messages: [], // as the service returns them, oldest first
  cursor: null, // behind the last conversation of the list, if there are more
  search: null, // the words that were searched, and the cursor behind the last hit
  editing: null, // the question that the next one replaces
  request: null, // what was sent last, to be tried again with the same key
  open: 0, // how many requests are being answered
  shown: 0, // counts the conversations shown, so that late answers do not write into another
};

/** Make an element with a class, a text and children. */
function make(tag, { text, children = [], ...properties } = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** Return the text of a message of LangChain: a text, or a list of blocks. */
function textOf(stored) {
  const content = stored?.message.data.content ?? "";
  if (typeof content === "string") return content;
  return content.map((part) => (typeof part === "string" ? part : (part.text ?? ""))).join("");
}

// Talking to the service

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The service cannot be reached.");
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    const detail = answer.detail;
    throw new Error(typeof detail === "string" ? detail : `The service refused it (${response.status}).`);
  }
  return response;
}

const getJson = async (path) => (await call(path)).json();
const pathOf = (session) => `/api/sessions/${encodeURIComponent(session)}`;

/** Yield the server-sent events of a response: https://html.spec.whatwg.org/#server-sent-events */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const fields = { event: "message", data: "" };
      for (const line of block.split("\n")) {
        const at = line.indexOf(": ");
        if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
      }
      if (fields.data) yield { name: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function notify(text, { retry = false } = {}) {
  byId("notice").hidden = !text;
  byId("notice").querySelector("span").textContent = text ?? "";
  byId("retry").hidden = !retry;
}

/** Do something for the user, and say what went wrong. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notify(error.message);
  }
}

// The list of conversations

async function listSessions({ more = false } = {}) {
  const after = more && state.cursor ? `&after=${encodeURIComponent(state.cursor)}` : "";
  const page = await getJson(`/api/sessions?limit=${SESSIONS}${after}`);
  if (!more) byId("sessions").replaceChildren();
  byId("sessions").append(...page.map(sessionItem));
  state.cursor = page.length < SESSIONS ? null : page.at(-1).cursor;
  if (!state.search) byId("more").hidden = !state.cursor;
  markCurrent();
}

function sessionItem(summary) {
  const title = textOf(summary.first_message) || "Untitled";
  const time = new Date(summary.last_at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const button = make("button", {
    type: "button",
    children: [
      make("bdi", { className: "name", text: title, title }),
      make("span", { className: "dim", text: `${time} · ${summary.message_count} messages` }),
    ],
  });
  button.dataset.session = summary.session_id;
  button.onclick = () => attempt(() => show(summary.session_id, { title }));
  return make("li", { children: [button] });
}

function markCurrent() {
  for (const button of byId("sessions").querySelectorAll("button")) {
    if (button.dataset.session === state.session) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// One conversation

async function show(session, { title, found } = {}) {
  const shown = ++state.shown;
  toggleSidebar(false);
  stopEditing();
  notify();
  const page = session ? await getJson(`${pathOf(session)}/messages?limit=${PAGE_SIZE}`) : [];
  if (shown !== state.shown) return;
  Object.assign(state, { session, messages: page });
  byId("title").textContent = title || textOf(page[0]) || "New conversation";
  byId("earlier").hidden = page.length < PAGE_SIZE;
  byId("forget").hidden = !session;
  while (found && !page.some((one) => one.id === found) && !byId("earlier").hidden) await showEarlier();
  render();
  markCurrent();
  const target = [...byId("messages").children].find((item) => item.dataset.id === found);
  target?.classList.add("found");
  if (target) target.scrollIntoView({ block: "center" });
  else scrollDown();
  if (!target) byId("text").focus();
  resume();
}

/** Follow the answer that is being written to the last question, or have a lost one written. */
function resume() {
  const last = state.messages.at(-1)?.message;
  // An agent stores its calls of tools before it answers.
  if (!last || (last.type === "ai" && !last.data.tool_calls?.length)) return;
  const question = state.messages.findLast((one) => one.message.type === "human");
  const key = question?.metadata.request;
  if (!key) return;
  const body = { key, text: textOf(question), replaces: null };
  send({ session: state.session, path: `${pathOf(state.session)}/messages`, body, keep: true });
}

async function showEarlier() {
  const before = encodeURIComponent(state.messages[0].id);
  const page = await getJson(`${pathOf(state.session)}/messages?limit=${PAGE_SIZE}&before=${before}`);
  state.messages.unshift(...page);
  byId("earlier").hidden = page.length < PAGE_SIZE;
}

function scrollDown() {
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
}

function render() {
  const results = new Map(
    state.messages
      .filter((one) => one.message.type === "tool")
      .map((one) => [one.message.data.tool_call_id, one]),
  );
  const lastQuestion = state.messages.findLast((one) => one.message.type === "human");
  const items = state.messages
    .filter((one) => one.message.type !== "tool")
    .map((one) => messageItem(one, results));
  if (lastQuestion) items.at(-1).append(actions([["Answer again", () => answerAgain(lastQuestion)]]));
  byId("messages").replaceChildren(...items);
}

function messageItem(stored, results) {
  const data = stored.message.data;
  const human = stored.message.type === "human";
  const item = make("li", { className: human ? "message human" : "message" });
  item.dataset.id = stored.id;
  item.setAttribute("aria-label", human ? "You" : "Answer");
  const text = textOf(stored);
  if (text) item.append(make("p", { className: "text", dir: "auto", text }));
  for (const toolCall of data.tool_calls ?? []) item.append(toolItem(toolCall, results.get(toolCall.id)));
  const partial = data.response_metadata?.partial;
  if (partial) item.append(make("p", { className: "partial", text: `Not complete: ${partial}.` }));
  if (human) item.append(actions([["Edit", () => edit(stored)]]));
  return item;
}

function toolItem(toolCall, result) {
  return make("details", {
    children: [
      make("summary", { text: `Called ${toolCall.name}` }),
      make("pre", { dir: "auto", text: JSON.stringify(toolCall.args, null, 2) }),
      make("pre", { dir: "auto", text: result ? textOf(result) : "No result" }),
    ],
  });
}

function actions(named) {
  const buttons = named.map(([text, onclick]) => make("button", { type: "button", text, onclick }));
  return make("div", { className: "actions", children: buttons });
}

// Asking

function ask(text) {
  const session = (state.session ??= newId());
  const replaces = state.editing?.id ?? null;
  const body = { key: newId(), text, replaces };
  send({ session, path: `${pathOf(session)}/messages`, body, cut: replaces, keep: false });
}

function answerAgain(question) {
  const path = `${pathOf(state.session)}/messages/${encodeURIComponent(question.id)}/answers`;
  send({ session: state.session, path, body: { key: newId() }, cut: question.id, keep: true });
}

/** Send a request, and show its answer while it is written. */
async function send(request) {
  const shown = state.shown;
  const here = () => shown === state.shown && request.session === state.session;
  state.request = request;
  notify();
  countOpen(1);
  let writing = null;
  let failed = null;
  try {
    const response = await call(request.path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request.body),
    });
    for await (const { name, data } of eventsOf(response)) {
      if (!here()) continue;
      if (name === "stored") {
        if (data.messages[0]?.message.type === "human") questionIsStored(request, data.messages[0]);
        else answerIsStored(data.messages);
        render();
        writing = null;
        scrollDown();
      } else if (name === "token") {
        writing ??= beginAnswer();
        writing.append(data.text);
        scrollDown();
      } else if (name === "tool") {
        writing = null;
        byId("messages").append(make("li", { className: "message dim", text: `Calling ${data.name} …` }));
      } else if (name === "failed") {
        failed = data.detail;
      }
    }
    state.request = null;
    if (here() && failed) notify(failed);
  } catch (error) {
    // The same key again: what is stored already is not stored twice.
    if (here()) notify(error.message || "The connection broke.", { retry: true });
  } finally {
    countOpen(-1);
    // A button that was pressed may be gone.
    if (document.activeElement === document.body) byId("text").focus();
    await attempt(() => listSessions());
  }
}

function questionIsStored(request, question) {
  const at = state.messages.findIndex((one) => one.id === (request.cut ?? question.id));
  if (at >= 0) state.messages.length = at;
  state.messages.push(question);
  request.cut = question.id;
  byId("forget").hidden = false;
  if (state.messages.length === 1) byId("title").textContent = textOf(question);
  if (!request.keep) {
    byId("text").value = "";
    stopEditing();
    resize();
  }
}

function answerIsStored(stored) {
  state.messages.push(...stored);
  byId("spoken").textContent = textOf(stored.at(-1));
}

function beginAnswer() {
  const text = make("p", { className: "text", dir: "auto" });
  byId("messages").append(make("li", { className: "message writing", children: [text] }));
  return text;
}

function countOpen(change) {
  state.open += change;
  byId("send").disabled = state.open > 0;
  byId("messages").setAttribute("aria-busy", String(state.open > 0));
}

function edit(stored) {
  state.editing = stored;
  byId("editing").hidden = false;
  byId("text").value = textOf(stored);
  resize();
  byId("text").focus();
}

function stopEditing() {
  if (state.editing) byId("text").value = "";
  state.editing = null;
  byId("editing").hidden = true;
}

function resize() {
  byId("text").style.height = "auto";
  byId("text").style.height = `${byId("text").scrollHeight + 2}px`;
}

// Searching

async function search({ more = false } = {}) {
  const words = more ? state.search.words : byId("search").value.trim();
  if (!words) return closeSearch();
  const after = more ? `&after=${encodeURIComponent(state.search.cursor)}` : "";
  const page = await getJson(`/api/search?q=${encodeURIComponent(words)}&limit=${HITS}${after}`);
  const cursor = page.length < HITS ? null : page.at(-1).hit.cursor;
  state.search = { words, cursor };
  if (!more) byId("hits").replaceChildren();
  byId("hits").append(...page.map(hitItem));
  if (!byId("hits").children.length) {
    byId("hits").append(make("li", { className: "dim", text: "Nothing was found." }));
  }
  byId("hits").hidden = false;
  byId("sessions").hidden = true;
  byId("more").hidden = !cursor;
}

function hitItem({ hit, marked }) {
  const stored = hit.stored;
  const parts = marked.map((html) => {
    const part = make("p", { dir: "auto" });
    // The service has escaped the text: the marks are the only HTML in it.
    part.innerHTML = html;
    return part;
  });
  if (!parts.length) parts.push(make("p", { dir: "auto", text: textOf(stored) }));
  const who = stored.message.type === "human" ? "You" : "Answer";
  const time = new Date(stored.created_at).toLocaleDateString([], { dateStyle: "medium" });
  const button = make("button", {
    type: "button",
    children: [...parts, make("span", { className: "dim", text: `${who}, ${time}` })],
  });
  button.onclick = () => attempt(() => show(stored.session_id, { found: stored.id }));
  return make("li", { children: [button] });
}

function closeSearch() {
  byId("search").value = "";
  byId("hits").hidden = true;
  byId("hits").replaceChildren();
  byId("sessions").hidden = false;
  state.search = null;
  byId("more").hidden = !state.cursor;
}

// Forgetting

async function forget(question, path) {
  byId("confirm-text").textContent = question;
  byId("confirm").returnValue = "";
  byId("confirm").showModal();
  await new Promise((resolve) => byId("confirm").addEventListener("close", resolve, { once: true }));
  if (byId("confirm").returnValue !== "yes") return;
  await call(path, { method: "DELETE" });
  closeSearch();
  await listSessions();
  await show(null);
}

function toggleSidebar(open) {
  byId("sidebar").classList.toggle("open", open);
  byId("open-sidebar").setAttribute("aria-expanded", String(open));
  document.querySelector("main").inert = open; // it is behind the list
  if (open) byId("close-sidebar").focus();
}

// What the user does

byId("composer").onsubmit = (event) => {
  event.preventDefault();
  const text = byId("text").value;
  if (text.trim() && !byId("send").disabled) ask(text);
};
byId("text").oninput = resize;
byId("text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("composer").requestSubmit();
  } else if (event.key === "Escape") {
    stopEditing();
    resize();
  }
};
byId("cancel-edit").onclick = () => {
  stopEditing();
  byId("text").focus();
};
byId("search-form").onsubmit = (event) => {
  event.preventDefault();
  attempt(search);
};
byId("search").oninput = () => {
  if (!byId("search").value) closeSearch();
};
byId("sidebar").onkeydown = (event) => {
  if (event.key !== "Escape") return;
  if (!byId("hits").hidden) return closeSearch();
  toggleSidebar(false);
  byId("open-sidebar").focus();
};
byId("new").onclick = () => attempt(() => show(null));
byId("more").onclick = () =>
  attempt(() => (state.search ? search({ more: true }) : listSessions({ more: true })));
byId("earlier").onclick = () =>
  attempt(async () => {
    const before = byId("scroll").scrollHeight;
    await showEarlier();
    render();
    byId("scroll").scrollTop += byId("scroll").scrollHeight - before;
  });
byId("retry").onclick = () => state.request && send(state.request);
byId("forget").onclick = () =>
  attempt(() => forget("Forget this conversation? Nothing brings it back.", pathOf(state.session)));
byId("forget-all").onclick = () =>
  attempt(() => forget("Forget all conversations? Nothing brings them back.", "/api/sessions"));
byId("open-sidebar").onclick = () => toggleSidebar(true);
matchMedia("(min-width: 45rem)").onchange = () => toggleSidebar(false);
byId("close-sidebar").onclick = () => {
  toggleSidebar(false);
  byId("open-sidebar").focus();
};

attempt(async () => {
  await listSessions();
  byId("text").focus();
});
