"use strict";
{
  const MOST_ROWS = 300;  // of one table of the state; how many more there are is said
  const EVERY = 200;      // steps from one kept state to the next
  const history = JSON.parse(document.getElementById("history").textContent);
  const steps = history.changes.length;
  const rows = [...document.querySelectorAll("#events tr")];
  const slider = document.getElementById("slider");
  const kept = [{}];
  let at = steps;

  const copied = (state) => {
    const copy = {};
    for (const [kind, things] of Object.entries(state)) copy[kind] = new Map(things);
    return copy;
  };

  const folded = (state, changes) => {
    for (const [numberOfKind, numberOfKey, facts] of changes) {
      const [kind, key] = [history.kinds[numberOfKind], history.keys[numberOfKey]];
      state[kind] ??= new Map();
      if (facts === undefined) state[kind].delete(key);
      else state[kind].set(key, facts);
    }
    return state;
  };

  /** The state after so many events: folded on from the last one that was kept before it. */
  const stateAt = (step) => {
    const nearest = Math.min(Math.floor(step / EVERY), kept.length - 1);
    let state = copied(kept[nearest]);
    for (let next = nearest * EVERY; next < step; next += 1) {
      state = folded(state, history.changes[next]);
      if ((next + 1) % EVERY === 0 && (next + 1) / EVERY === kept.length) kept.push(copied(state));
    }
    return state;
  };

  const element = (name, text, className) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const badges = (call) => {
    if (!call) return [["not there yet", ""]];
    const [backstage, ongoing, session, startsAt, endedAt, members, deleted] = call;
    return [
      deleted ? ["deleted", "bad"] : null,
      endedAt ? [`ended ${endedAt}`, "bad"] : null,
      backstage ? ["backstage", ""] : endedAt || deleted ? null : ["open", "on"],
      ongoing ? [`session ${session}`, "on"] : ["nobody in", ""],
      startsAt ? [`planned ${startsAt}`, ""] : null,
      [`${members} members`, ""],
    ].filter(Boolean);
  };

  const sends = (connected, published, muted) => {
    const tracks = [...new Set([...published, ...muted])];
    const said = tracks.map((track) => (muted.includes(track) ? `${track} (muted)` : track));
    if (!connected) return ["not connected", ...said].join(", ");
    return said.length > 0 ? said.join(", ") : "nothing";
  };

  const columns = {
    participant: (key, [user, role, since, ...rest]) => [user, role, since, sends(...rest)],
    member: (key, [role]) => [key, role],
    answer: (key, [ring, answer, at]) => [key, answer, at],
    block: (key) => [key],
  };

  const showTable = (kind, things) => {
    const all = [...things];
    const lines = all.slice(0, MOST_ROWS).map(([key, facts]) => {
      const line = document.createElement("tr");
      line.dataset.key = key;
      line.append(...columns[kind](key, facts).map((text) => element("td", text)));
      return line;
    });
    if (all.length > MOST_ROWS) {
      const line = document.createElement("tr");
      line.append(element("td", `and ${all.length - MOST_ROWS} more`, "quiet"));
      lines.push(line);
    }
    document.getElementById(kind).replaceChildren(...lines);
    document.getElementById(`${kind}-count`).textContent = all.length || "–";
  };

  const showState = (state) => {
    const call = state.call?.get("");
    const list = badges(call).map(([text, className]) => element("li", text, className));
    document.getElementById("call").replaceChildren(...list);
    for (const kind of Object.keys(columns)) showTable(kind, state[kind] ?? []);
  };

  const showNow = (step) => {
    const now = document.getElementById("now");
    if (step === 0) {
      now.textContent = `Before the first of ${steps} events`;
      return;
    }
    const [, when, name, by] = rows[step - 1].cells;
    now.replaceChildren(
      `Event ${step} of ${steps} · ${when.textContent} · `,
      element("b", name.textContent),
      ` by ${by.textContent}`,
    );
    slider.setAttribute("aria-valuetext", now.textContent);
  };

  const marked = (step) => {
    for (let index = Math.min(step, at); index < Math.max(step, at); index += 1) {
      rows[index].classList.toggle("later", index >= step);
    }
    rows[at - 1]?.removeAttribute("aria-current");
    rows[step - 1]?.setAttribute("aria-current", "step");
  };

  const intoView = (row) => {
    const box = row.closest(".scroll");
    const head = box.querySelector("thead").offsetHeight;
    const [seen, line] = [box.getBoundingClientRect(), row.getBoundingClientRect()];
    if (line.top < seen.top + head || line.bottom > seen.bottom) {
      box.scrollTop += line.top - seen.top - box.clientHeight / 2;
    }
  };

  const go = (wanted) => {
    const step = Math.max(0, Math.min(steps, wanted));
    slider.value = step;
    marked(step);
    at = step;
    document.getElementById("cursor").style.left = `${history.x[Math.max(step - 1, 0)]}%`;
    if (step > 0) intoView(rows[step - 1]);
    showNow(step);
    showState(stateAt(step));
  };

  slider.addEventListener("input", () => go(Number(slider.value)));
  const moves = { first: () => 0, back: () => at - 1, on: () => at + 1, last: () => steps };
  for (const button of document.querySelectorAll("[data-go]")) {
    button.addEventListener("click", () => go(moves[button.dataset.go]()));
  }
  const keys = {
    ArrowLeft: () => at - 1, ArrowRight: () => at + 1, Home: () => 0, End: () => steps,
  };
  document.addEventListener("keydown", (event) => {
    const free = !event.altKey && !event.ctrlKey && !event.metaKey;
    if (free && keys[event.key] && !event.target.closest("input[type=search], select")) {
      event.preventDefault();
      go(keys[event.key]());
    }
  });
  document.getElementById("events").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const chosen = link ? document.querySelector(link.getAttribute("href")) : event.target.closest("tr");
    if (link) event.preventDefault();
    if (chosen) go(Number(rows.indexOf(chosen)) + 1);
  });

  const sift = () => {
    const kind = document.getElementById("kind").value;
    const says = document.getElementById("says").value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = (!kind || row.cells[2].textContent === kind)
        && (!says || row.textContent.toLowerCase().includes(says));
      row.hidden = !fits;
      count += fits;
    }
    document.getElementById("sifted").textContent = count === steps ? "" : `${count} of ${steps}`;
  };
  document.getElementById("sift").addEventListener("input", sift);
  document.getElementById("sift").addEventListener("submit", (event) => event.preventDefault());

  go(steps);
}
