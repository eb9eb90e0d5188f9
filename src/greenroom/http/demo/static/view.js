// What is shown: the stage, the people, the history. Nothing is asked of the server here.
import { $, fill, make } from "./dom.js";

const SENDING = ["send-audio", "send-video", "screenshare"];
const TOLD = ["user_ids", "kind", "tracks", "permissions", "reason", "role"];

const tiles = new Map();
const names = new Map(); // of entries, as the history tells them

export function showTile(key, name, tracks, { self = false, screen = false } = {}) {
  let tile = tiles.get(key);
  if (!tile) {
    const video = make("video", { autoplay: true, playsInline: true, muted: self });
    const caption = make("figcaption");
    const silhouette = make("span", { className: "silhouette", ariaHidden: "true" });
    const className = ["tile", self && "self", screen && "screen"].filter(Boolean).join(" ");
    const figure = make("figure", { className, dataset: { key } }, video, silhouette, caption);
    tile = { figure, video, caption, silhouette };
    tiles.set(key, tile);
    $("stage").append(figure);
  }
  const shown = screen ? `Screen of ${name}` : name;
  tile.caption.textContent = self ? `${shown} (you)` : shown;
  tile.silhouette.textContent = name.slice(0, 1);
  const known = tile.video.srcObject?.getTracks() ?? [];
  if (known.length !== tracks.length || tracks.some((track) => !known.includes(track))) {
    tile.video.srcObject = tracks.length ? new MediaStream(tracks) : null;
  }
  const seen = tracks.some((track) => track.kind === "video" && track.enabled && !track.muted);
  tile.silhouette.hidden = seen;
  tile.video.setAttribute("aria-label", screen ? shown : `Video of ${name}`);
}

export function keepTiles(keys) {
  for (const [key, tile] of tiles) {
    if (keys.has(key)) continue;
    tile.video.srcObject = null;
    tile.figure.remove();
    tiles.delete(key);
  }
}

export function showPeople(participants, own, may, act) {
  fill($("people"), participants.map((one) => {
    const quiet = [one.role, one.connected ? "connected" : "not connected"];
    if (one.published?.length) quiet.push(`sends ${one.published.join(", ")}`);
    if (one.muted?.length) quiet.push(`muted: ${one.muted.join(", ")}`);
    const row = make("li", {},
      make("span", { className: "name", textContent: one.user_id + (one.entry_id === own ? " (you)" : "") }),
      make("span", { className: "quiet", textContent: quiet.join(" · ") }));
    if (one.entry_id !== own) {
      if (may.has("update-call-permissions") && !one.published?.length) {
        const said = { user_id: one.user_id, permissions: SENDING };
        row.append(deed("Let send", one, () => act("grant", said)));
      }
      if (may.has("mute-users")) row.append(deed("Mute", one, () => act("mute", { user_id: one.user_id, audio: true })));
      if (may.has("kick-user")) row.append(deed("Kick", one, () => act("kick", { user_id: one.user_id })));
    }
    return row;
  }));
}

function deed(word, person, onclick) {
  const dataset = { key: `${word} ${person.entry_id}` };
  return make("button", { className: "small", type: "button", textContent: word, onclick, dataset,
    ariaLabel: `${word} ${person.user_id}` });
}

export function showMembers(members) {
  const rows = members.map((one) => make("li", {},
    make("span", { className: "name", textContent: one.user_id }),
    make("span", { className: "quiet", textContent: one.role })));
  fill($("members"), rows.length ? rows : [make("li", { className: "quiet", textContent: "Nobody was made a member." })]);
}

export function showCalls(calls, choose) {
  const rows = calls.map((one) => make("li", {},
    make("span", { className: "name", textContent: one.cid }),
    make("span", { className: "quiet", textContent: stateOf(one) }),
    make("button", { className: "small", type: "button", textContent: "Choose",
      ariaLabel: `Choose ${one.cid}`, onclick: () => choose(one) })));
  fill($("latest"), rows.length ? rows : [make("li", { className: "quiet", textContent: "There are none yet." })]);
}

export function stateOf(call) {
  if (call.ended_at) return "ended";
  if (call.backstage) return "backstage";
  return call.ongoing === false ? "open" : "live";
}

// Said aloud by screen readers when it changes, and only then.
export function showRecording(on) {
  const said = on ? "Recording" : "";
  if ($("recording").textContent !== said) $("recording").textContent = said;
}

export function showEvent(record) {
  const { user_id: user, entry_id: entry, ...event } = record.event;
  if (user && entry) names.set(entry, user);
  const who = user ?? names.get(entry);
  const about = TOLD.filter((name) => event[name]?.length).map((name) => [event[name]].flat().join(", "));
  if (who && who !== record.by) about.unshift(who);
  $("history").prepend(make("li", { className: "new" },
    make("code", { textContent: record.name }), ` by ${record.by} `,
    make("span", { className: "quiet", textContent: `${about.join(" · ")} ` }),
    make("time", { className: "quiet", dateTime: record.at, textContent: new Date(record.at).toLocaleTimeString() })));
}

export function showProblem(problem) {
  const close = make("button", { className: "small", type: "button", textContent: "Dismiss",
    onclick: () => $("problem").replaceChildren() });
  $("problem").replaceChildren(
    make("p", {}, make("strong", { textContent: problem.code ?? problem.name }), `: ${problem.message}`), close);
}

export function showNotice(text) {
  $("notice").replaceChildren(...(text ? [make("p", { textContent: text })] : []));
}

export function showPart(part) {
  for (const id of ["door", "waiting", "call"]) $(id).hidden = id !== part;
  $("aside").hidden = part !== "call";
  document.body.classList.toggle("in-call", part === "call");
}

export function clear() {
  for (const button of $("controls").querySelectorAll("button:not(#leave)")) button.hidden = true;
  keepTiles(new Set());
  names.clear();
  showRecording(false);
  $("history").replaceChildren();
  $("problem").replaceChildren();
}
