// The page: what people do, and what happens in the call that they are in.
import * as api from "./api.js";
import { $, make } from "./dom.js";
import { Publisher, Watcher, screenOf } from "./media.js";
import * as view from "./view.js";

const KEPT = "greenroom-demo"; // where the entry is kept
const RENEW = 240_000; // milliseconds; tickets are valid for ten minutes
let here = null; // the call that this page is in, or waits for

class Here {
  constructor(call) {
    this.call = call;
    this.entry = null;
    this.publisher = null;
    this.watcher = null;
    this.stream = null;
    this.screen = null;
    this.may = new Set();
    this.records = false; // whether the server could
    this.names = new Map();
    this.refreshing = null;
    this.timers = [];
    this.heard = 0; // the last event's number
    this.listen();
  }

  // A browser comes back by itself where the line broke, and not where the server refused.
  listen() {
    this.feed = this.call.history();
    this.feed.onmessage = (message) => this.hear(JSON.parse(message.data));
    this.feed.onerror = () => {
      if (this.feed.readyState === EventSource.CLOSED) this.timers.push(setTimeout(() => this.listen(), api.AGAIN));
    };
    this.feed.addEventListener("gone", () => this.out("The call is not to be seen any more."));
  }

  // Everything that this client hears of: the call's own record.
  hear(record) {
    if (record.seq <= this.heard) return;
    this.heard = record.seq;
    view.showEvent(record);
    if (!this.entry) {
      if (record.name === "call.went_live" && !$("waiting").hidden) attempt(() => join(this.call));
      return;
    }
    const about = record.event;
    if (record.name === "session.left" && about.entry_id === this.entry.entryId) {
      const how = {
        kicked: `You were put out by ${record.by}.`,
        blocked: `You were blocked by ${record.by}.`,
        removed: `You were removed by ${record.by}.`,
        ended: "The call has ended.",
        deleted: "The call was deleted.",
        stopped_live: "The call went back to backstage.",
        max_duration: "The call has lasted as long as it may.",
        lost: "The connection was lost.",
      };
      if (about.reason !== "left") this.out(how[about.reason] ?? `You left: ${about.reason}.`);
      return;
    }
    if (record.name === "member.permissions_granted" && about.user_id === this.call.user) {
      view.showNotice(`${record.by} lets you send. Press the button when you are ready.`);
    }
    if (record.name === "session.muted" && about.user_ids?.includes(this.call.user)) {
      this.mutedBy(record.by, about);
    }
    if (record.name === "session.recording_stopped" && about.reason === "failed") {
      view.showNotice(`The recording has failed: ${about.because}.`);
    }
    this.refresh();
  }

  // Soon, and once for whatever happens at the same time; again when media has followed.
  refresh() {
    clearTimeout(this.refreshing);
    this.refreshing = setTimeout(() => attempt(() => this.look()), 120);
  }

  async look() {
    const { call, participants, members, recording } = await this.call.look();
    if (!this.entry) return;
    this.may = new Set(call.own_capabilities);
    this.names = new Map(participants.map((one) => [one.entry_id, one.user_id]));
    const state = view.stateOf(call);
    $("state").textContent = state;
    $("state").className = state === "live" ? "badge live" : "badge";
    view.showPeople(participants, this.entry.entryId, this.may, (deed, said) => attempt(() => this.call.act(deed, said)));
    view.showMembers(members);
    if (this.screen && !this.may.has("screenshare")) await this.unshare();
    view.showRecording(recording);
    this.showControls(call, recording);
    await this.arrange();
  }

  // Who is seen where; the server says who is on which line.
  async arrange() {
    if (!this.entry) return;
    const slots = await this.entry.slots();
    if (!this.entry) return;
    const found = this.watcher?.tracks(slots) ?? new Map();
    found.set(this.entry.entryId, this.stream?.getTracks() ?? []);
    if (this.screen) found.set(screenOf(this.entry.entryId), this.screen.getTracks());
    const kept = new Set(this.names.keys());
    for (const [entryId, name] of this.names) {
      const self = entryId === this.entry.entryId;
      view.showTile(entryId, name, found.get(entryId) ?? [], { self });
      const screen = screenOf(entryId);
      if (found.has(screen)) view.showTile(screen, name, found.get(screen), { self, screen: true });
      if (found.has(screen)) kept.add(screen);
    }
    view.keepTiles(kept);
  }

  showControls(call, recording) {
    const sends = this.stream !== null;
    $("send").hidden = sends || !(this.may.has("send-audio") || this.may.has("send-video"));
    $("microphone").hidden = !this.stream?.getAudioTracks().length;
    $("camera").hidden = !this.stream?.getVideoTracks().length;
    $("share").hidden = this.screen !== null || !this.may.has("screenshare");
    $("unshare").hidden = this.screen === null;
    $("record").hidden = recording || !this.records || !this.may.has("start-record-call");
    $("stop-record").hidden = !recording || !this.may.has("stop-record-call");
    $("go-live").hidden = !this.may.has("update-call") || !(call.backstage || call.ended_at);
    $("stop-live").hidden = !this.may.has("update-call") || call.backstage;
    $("end").hidden = !this.may.has("end-call");
  }

  async enter(entry) {
    this.entry = entry;
    this.keep();
    $("call-title").textContent = this.call.cid;
    view.showPart("call");
    $("main").focus();
    this.watch();
    this.records = !(await api.recorder()).obstacle;
    await this.look();
    if (!$("send").hidden) await attempt(() => this.send());
    this.timers.push(setInterval(() => this.arrange().catch(() => {}), 1000));
    this.timers.push(setInterval(() => attempt(() => this.renew()), RENEW));
  }

  async renew() {
    await this.entry.renew();
    this.keep();
  }

  // For a reload of this tab.
  keep() {
    const { entryId, ticket } = this.entry;
    sessionStorage.setItem(KEPT, JSON.stringify({ ...this.call, entryId, ticket }));
  }

  // Again from the beginning where a connection broke; the entry waits for a while.
  watch() {
    this.watcher = new Watcher(this.entry, () => this.refresh(), () => { this.watch(); this.refresh(); });
    attempt(() => this.watcher.follow());
  }

  publish() {
    this.publisher = new Publisher(this.entry, () => attempt(() => this.publish()));
    if (this.stream) this.publisher.add(this.stream);
    if (this.screen) this.publisher.add(this.screen, { screen: true });
    return this.publisher.offer();
  }

  // One more stream, over the connection that there is.
  publishAlso(stream, options) {
    if (!this.publisher) return this.publish();
    this.publisher.add(stream, options);
    return this.publisher.offer();
  }

  async send() {
    const wanted = { audio: this.may.has("send-audio"), video: this.may.has("send-video") && { width: 640, height: 480 } };
    this.stream = await navigator.mediaDevices.getUserMedia(wanted);
    await this.publishAlso(this.stream);
    this.showMuted();
    await this.look();
  }

  async share() {
    const screen = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
    // As for the microphone: somebody may have muted it.
    await this.entry.act("unmute", { screenshare: true, screenshare_audio: true });
    this.screen = screen;
    screen.getVideoTracks()[0].addEventListener("ended", () => attempt(() => this.unshare()));
    await this.publishAlso(screen, { screen: true });
    await this.look();
  }

  async unshare() {
    if (!this.screen) return;
    for (const track of this.screen.getTracks()) track.stop();
    this.screen = null;
    if (this.stream) {
      this.publisher.withdrawScreen();
      await this.publisher.offer();
    } else {
      this.publisher.close();
      this.publisher = null;
    }
    await this.look();
  }

  // One's own microphone or camera, on or off.
  async toggle(kind) {
    const tracks = kind === "audio" ? this.stream.getAudioTracks() : this.stream.getVideoTracks();
    const on = !tracks[0].enabled;
    // Asked each time: somebody may have muted it a moment ago. Else nothing comes of it.
    if (on) await this.entry.act("unmute", { [kind]: true });
    for (const track of tracks) track.enabled = on;
    view.showNotice("");
    this.showMuted();
    await this.arrange();
  }

  // Closed at the server already; the page follows, so that the buttons tell the truth.
  mutedBy(who, about) {
    const tracks = this.stream?.getTracks().filter((track) => about.tracks.includes(track.kind)) ?? [];
    for (const track of tracks) track.enabled = false;
    const named = about.tracks.join(" and ");
    view.showNotice(`${who} has muted you (${named}). You may unmute yourself.`);
    this.showMuted();
    if (about.tracks.includes("screenshare")) attempt(() => this.unshare());
  }

  showMuted() {
    const off = (tracks) => tracks.some((track) => !track.enabled);
    const quiet = off(this.stream?.getAudioTracks() ?? []);
    const dark = off(this.stream?.getVideoTracks() ?? []);
    $("microphone").ariaPressed = quiet;
    $("camera").ariaPressed = dark;
  }

  async leave() {
    const entry = this.entry;
    this.out("");
    await entry?.act("leave");
  }

  // The page is in no call any more.
  out(why) {
    this.feed.close();
    this.publisher?.close();
    this.watcher?.close();
    for (const stream of [this.stream, this.screen]) for (const track of stream?.getTracks() ?? []) track.stop();
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.refreshing);
    this.entry = null;
    here = null;
    sessionStorage.removeItem(KEPT);
    view.clear();
    door();
    $("main").focus();
    view.showNotice(why);
  }
}

async function join(call) {
  view.showNotice("");
  if (!here) here = new Here(call);
  try {
    await here.enter(new api.Entry(await call.act("join")));
  } catch (problem) {
    if (here?.entry) throw problem;
    if (problem.code === "not_live_yet") {
      $("waiting-why").textContent = problem.message;
      view.showPart("waiting");
      return;
    }
    here?.out("");
    throw problem;
  }
}

// After a reload: the same entry, through new connections.
async function resume(kept) {
  here = new Here(new api.Call(kept.user, kept.type, kept.id));
  const entry = new api.Entry({ entry_id: kept.entryId, ticket: kept.ticket });
  try {
    await entry.renew();
    await here.enter(entry);
  } catch (problem) {
    here?.out("");
    throw problem;
  }
}

function door() {
  view.showPart("door");
  attempt(async () => {
    const user = $("enter").elements.user.value;
    view.showCalls(await api.latest(user), ({ cid }) => {
      const [type, id] = cid.split(":");
      Object.assign($("enter").elements.type, { value: type });
      Object.assign($("enter").elements.id, { value: id });
      $("enter").elements.id.focus();
    });
  });
}

async function attempt(deed) {
  try {
    return await deed();
  } catch (problem) {
    view.showProblem(problem);
    return undefined;
  }
}

const on = (id, deed) => $(id).addEventListener("click", () => attempt(deed));

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const { user, type, id } = Object.fromEntries(new FormData(event.target));
  const call = new api.Call(user, type, id);
  $("problem").replaceChildren();
  attempt(async () => {
    if (event.submitter?.value === "create") await call.act("create");
    await join(call);
  });
});
$("enter").elements.user.addEventListener("change", door);
on("send", () => here.send());
on("microphone", () => here.toggle("audio"));
on("camera", () => here.toggle("video"));
on("share", () => here.share());
on("unshare", () => here.unshare());
on("record", () => here.call.act("start_recording"));
on("stop-record", () => here.call.act("stop_recording"));
on("go-live", () => here.call.act("go_live"));
on("stop-live", () => here.call.act("stop_live"));
on("end", () => here.call.act("end"));
on("leave", () => here.leave());
on("give-up", () => here.out(""));

attempt(async () => {
  $("types").append(...(await api.types()).map((name) => make("option", { value: name, textContent: name })));
  $("types").value = "default";
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept) await resume(kept);
  else door();
});
