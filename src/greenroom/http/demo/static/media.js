// Media over HTTP, as any client does it: WHIP to send, invitations to receive.
import { AGAIN, ask } from "./api.js";

const GATHERING = 500; // milliseconds; without servers to ask, addresses are known at once
const PATIENCE = 2000; // milliseconds that a connection may be interrupted
const PASSING = new Set(["unreachable", "too_many_requests", "media_overloaded", "overloaded"]); // ask again

class Connection {
  // `broken` is called once, when the connection is over and was not closed by this page.
  constructor(entry, broken) {
    this.entry = entry;
    this.broken = broken;
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: entry.iceServers });
    this.peer.addEventListener("connectionstatechange", () => {
      clearTimeout(this.doubt);
      const patience = { disconnected: PATIENCE, failed: 0, closed: 0 }[this.peer.connectionState];
      if (patience !== undefined) this.doubt = setTimeout(() => this.breakOff(), patience);
    });
  }

  breakOff() {
    if (this.over) return;
    this.close();
    this.broken();
  }

  async describe() {
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    return this.peer.localDescription.sdp;
  }

  say(method, path, body, signal) {
    return ask(method, path, { body, type: "application/sdp", ticket: this.entry.ticket, signal });
  }

  close() {
    this.over = true;
    clearTimeout(this.doubt);
    this.peer.close();
  }
}

// Sends a camera and a microphone, and a screen beside them.
export class Publisher extends Connection {
  constructor(entry, broken) {
    super(entry, broken);
    this.screens = [];
    this.offering = Promise.resolve();
  }

  add(stream, { screen = false } = {}) {
    for (const track of stream.getTracks()) {
      const free = screen && this.screens.find((line) => line.direction === "inactive" && line.receiver.track.kind === track.kind);
      if (free) {
        free.sender.replaceTrack(track);
        free.direction = "sendonly";
      } else {
        const line = this.peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
        if (screen) this.screens.push(line);
      }
    }
  }

  // The screen is shared no more; its lines stay, and are silent.
  withdrawScreen() {
    for (const line of this.screens) line.direction = "inactive";
  }

  // Offers wait for each other: one exchange at a time.
  offer() {
    this.offering = this.offering.catch(() => {}).then(() => this.exchange());
    return this.offering;
  }

  async exchange() {
    const offer = await this.describe();
    const screens = new Set(this.screens.map((line) => line.mid));
    const marked = offer.replace(/a=mid:(\S+)\r\n/g, (row, mid) => (screens.has(mid) ? `${row}a=content:slides\r\n` : row));
    const response = await this.say("POST", "/media/whip", marked);
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }
}

// Receives whoever sends, as many as there are: the server offers, and again whenever others come.
export class Watcher extends Connection {
  // `changed` is called when there are other lines than before.
  constructor(entry, changed, broken) {
    super(entry, broken);
    this.changed = changed;
    this.leaving = new AbortController();
  }

  async follow() {
    for (let after = 0; !this.over;) {
      try {
        after = (await this.invited(after)) ?? after;
      } catch (problem) {
        if (this.over || problem.code === "entry_not_found") return; // the history says why
        if (problem.code === "connection_over") return this.breakOff();
        if (!PASSING.has(problem.code)) throw problem;
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    }
  }

  // The number of the invitation that was accepted, if there was another one.
  async invited(after) {
    const offered = await this.say("POST", `/media/invitations?after=${after}`, undefined, this.leaving.signal);
    if (offered.status === 204 || this.over) return undefined;
    await this.peer.setRemoteDescription({ type: "offer", sdp: await offered.text() });
    const place = offered.headers.get("Location");
    await this.say("PATCH", place, await this.describe());
    this.changed();
    return Number(place.split("/").pop());
  }

  // Tracks by whose they are, as the server says who is on which line; screens beside the rest.
  tracks(slots) {
    const found = new Map();
    for (const line of this.peer.getTransceivers()) {
      const source = slots[line.mid];
      if (!source) continue;
      const key = source.kind.startsWith("screenshare") ? screenOf(source.entry_id) : source.entry_id;
      found.set(key, [...(found.get(key) ?? []), line.receiver.track]);
    }
    return found;
  }

  close() {
    super.close();
    this.leaving.abort();
  }
}

export const screenOf = (entryId) => `${entryId} screen`;

function gathered(peer) {
  return new Promise((done) => {
    const look = () => { if (peer.iceGatheringState === "complete") done(); };
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHERING);
    look();
  });
}
