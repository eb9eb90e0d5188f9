// Media over HTTP, as any client does it: WHIP to send, WHEP to receive.
import { ask } from "./api.js";

const GATHERING = 500; // milliseconds; without servers to ask, addresses are known at once
const PATIENCE = 2000; // milliseconds that a connection may be interrupted

class Connection {
  // `broken` is called once, when the connection is over and was not closed by this page.
  constructor(place, entry, broken) {
    this.place = place;
    this.entry = entry;
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: entry.iceServers });
    this.offering = Promise.resolve();
    this.peer.addEventListener("connectionstatechange", () => {
      clearTimeout(this.doubt);
      const patience = { disconnected: PATIENCE, failed: 0, closed: 0 }[this.peer.connectionState];
      if (patience !== undefined) this.doubt = setTimeout(() => this.breakOff(broken), patience);
    });
  }

  breakOff(broken) {
    if (this.over) return;
    this.close();
    broken();
  }

  // Offers wait for each other: one exchange at a time.
  offer() {
    this.offering = this.offering.catch(() => {}).then(() => this.exchange());
    return this.offering;
  }

  async exchange() {
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    const response = await ask("POST", `/media/${this.place}`, {
      body: this.peer.localDescription.sdp,
      type: "application/sdp",
      ticket: this.entry.ticket,
    });
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  close() {
    this.over = true;
    clearTimeout(this.doubt);
    this.peer.close();
  }
}

export class Publisher extends Connection {
  constructor(entry, stream, broken) {
    super("whip", entry, broken);
    for (const track of stream.getTracks()) {
      this.peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    }
  }
}

export class Watcher extends Connection {
  constructor(entry, broken) { super("whep", entry, broken); }

  // Lines to receive `others` people; lines are never taken away.
  async receive(others) {
    const wanted = Math.min(Math.max(others, 1), 15);
    const lines = this.peer.getTransceivers();
    const missing = wanted - lines.length / 2;
    if (missing <= 0) return;
    for (let n = 0; n < missing; n += 1) {
      for (const kind of ["audio", "video"]) this.peer.addTransceiver(kind, { direction: "recvonly" });
    }
    await this.offer();
  }

  // Tracks by entry, as the server says who is on which line.
  tracks(slots) {
    const found = new Map();
    for (const line of this.peer.getTransceivers()) {
      const source = slots[line.mid];
      if (!source) continue;
      const tracks = found.get(source.entry_id) ?? [];
      found.set(source.entry_id, [...tracks, line.receiver.track]);
    }
    return found;
  }
}

function gathered(peer) {
  return new Promise((done) => {
    const look = () => { if (peer.iceGatheringState === "complete") done(); };
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHERING);
    look();
  });
}
