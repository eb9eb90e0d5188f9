// What the page asks of its server. A refusal is thrown as a Refusal, with its code.

export const AGAIN = 2000; // milliseconds after which a server that refused is asked again

export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? "the server did not answer as expected");
    this.code = problem.code ?? "unexpected";
    this.status = problem.status;
  }
}

export async function ask(method, path, { body, type = "application/json", ticket, signal } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = type;
  if (ticket) headers.Authorization = `Bearer ${ticket}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal });
  } catch {
    throw new Refusal({ code: "unreachable", detail: "the server cannot be reached; is it running?" });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refusal({ status: response.status, title: response.statusText, ...problem });
}

const json = async (response) => (await response).json();
const say = (said) => ({ body: JSON.stringify(said ?? {}) });

export const types = () => json(ask("GET", "/api/types"));
export const recorder = () => json(ask("GET", "/api/recorder"));
export const latest = (user) => json(ask("GET", `/api/users/${encodeURIComponent(user)}/calls`));

// One call, as one user.
export class Call {
  constructor(user, type, id) {
    Object.assign(this, { user, type, id });
    this.path = `/api/users/${[user, "calls", type, id].map(encodeURIComponent).join("/")}`;
  }
  get cid() { return `${this.type}:${this.id}`; }
  look() { return json(ask("GET", this.path)); }
  act(deed, said) { return json(ask("POST", `${this.path}/${deed}`, say(said))); }
  history() { return new EventSource(`${this.path}/history`); }
}

// One's own entry, known by its ticket.
export class Entry {
  constructor({ entry_id: entryId, ticket, ice_servers: iceServers = [] }) {
    Object.assign(this, { entryId, ticket, iceServers });
  }
  slots() { return json(ask("GET", "/media/slots", { ticket: this.ticket })); }
  act(deed, said) { return json(ask("POST", `/api/entry/${deed}`, { ticket: this.ticket, ...say(said) })); }
  async renew() { Object.assign(this, new Entry(await this.act("ticket"))); }
}
